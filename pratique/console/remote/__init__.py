"""The seam between the faces and the appliance: the same in one process, or over a socket from a console process."""
