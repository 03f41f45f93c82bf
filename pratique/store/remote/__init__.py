"""The store as an edge process sees it: bodies go into segments it was lent, moves over a socket to custody, the one
process that writes. An edge holds no row, no key of the store and no file of it but the segments it fills."""
