"""What the SSH face offers a client, and what it lets one cost. Each limit has its reason beside it."""

LOGIN_SECONDS = 20  # a person with a pass phrase and a code needs ten
TRIES_MAX = 3  # pass phrases or codes on one connection; what they cost beyond it is the throttle's
KEYS_OFFERED_MAX = 20  # an agent offers all that it has; each is one look into a short list
WAITING_MAX = 10  # connections that have not signed in, over all addresses
KNOWN_MAX = 1_000  # addresses from which somebody signed in: they lose their place to strangers last
CONNECTIONS_BURST = 20  # new ones from one address: scripts open several at once
CONNECTIONS_PER_SECOND = 10.0  # and then as many, which is more than one script with a command each can do
CONNECTIONS_MAX = 100  # operators and their scripts are tens
SESSIONS_MAX = 10  # of one connection at once, as OpenSSH has it
IDLE_SECONDS = 1_800.0  # at the prompt without a command: a terminal that was left alone
KEEPALIVE_SECONDS = 60  # a client that is gone without a word is noticed after three of them
LINES_AHEAD_MAX = 200  # typed or piped in and not yet done; the sender waits beyond it
HISTORY_LINES = 200
TERMINAL_COLUMNS_MAX = 1_000  # a wider one is a client's joke, and padding costs octets

# Without SHA-1, CBC, NIST curves and MACs over plain text; the first is safe against a later quantum computer. The last
# two are for libraries without X25519, such as Debian's net-ssh, on which collectors of configurations stand (RFC 9142,
# section 4: group14-sha256 MUST, group16-sha512 SHOULD).
KEX = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha256",
)
CIPHERS = ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")
SIGNATURES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
