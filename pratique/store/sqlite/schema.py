"""The tables of the store as version 1 has them, and what version 3 adds; the steps are in migrations.py. Names are the
domain's; states are CHECK-constrained; times are ms.

What is indexed on the receiving path and why: copy_hop (the identity of a copy: no second one), hold_received (a page
of a quarantine), hold_exit (what expires next). The other indexes are partial and empty for a message at rest.

Text columns keep what was accepted; `*_folded` is the case-folded text where that is more than ASCII lower-casing
(LIKE folds ASCII alone), NULL otherwise.
"""

APPLICATION_ID = 0x50524151  # "PRAQ": tells our file from any other SQLite file

TABLES = """
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    serial TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('gateway', 'manager')),
    inc INTEGER NOT NULL,
    seq INTEGER NOT NULL,          -- highest number of the journal that is decided
    mid INTEGER NOT NULL,
    audit_number INTEGER NOT NULL,
    audit_hash BLOB NOT NULL
);
CREATE TABLE copy (
    mid INTEGER PRIMARY KEY,
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    custody TEXT NOT NULL CHECK (custody IN ('RECEIVED', 'ACTIVE', 'SETTLED', 'Q', 'X', 'DONE', 'LOC', 'DOUBT',
                                             'HELD', 'REL', 'RELD', 'CLOSED', 'DEL')),
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    segment INTEGER,               -- NULL: the body has been let go
    offset INTEGER,
    length INTEGER NOT NULL,
    idle_since INTEGER,            -- when the body stopped being needed; -1: it may go at once; NULL: needed or gone
    sha256 BLOB NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,      -- one a line
    subject TEXT NOT NULL,
    origin_ip TEXT NOT NULL,
    attachments TEXT,              -- JSON, NULL: none
    sender_folded TEXT,
    recipients_folded TEXT,
    subject_folded TEXT,
    record BLOB NOT NULL,          -- the rest, see codec.py
    context BLOB NOT NULL
);
CREATE UNIQUE INDEX copy_hop ON copy (cid, hop);
CREATE INDEX copy_received ON copy (mid) WHERE custody = 'RECEIVED';
CREATE INDEX copy_idle ON copy (idle_since) WHERE idle_since IS NOT NULL;
CREATE TABLE hold (
    mid INTEGER NOT NULL,
    quarantine TEXT NOT NULL,
    mark TEXT NOT NULL CHECK (mark IN ('HELD', 'RELEASED', 'DELETED')),
    received INTEGER NOT NULL,
    exit_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    default_action TEXT NOT NULL CHECK (default_action IN ('release', 'delete')),
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    reasons TEXT NOT NULL,         -- JSON
    matched TEXT NOT NULL,
    outbreak TEXT NOT NULL,
    PRIMARY KEY (mid, quarantine),
    CHECK ((mark = 'HELD') = (actor = ''))  -- nothing leaves quarantine without who ordered it
) WITHOUT ROWID;
CREATE TABLE late_copy (           -- held copies that were committed after one with a higher MID (index.py)
    id INTEGER PRIMARY KEY,
    mid INTEGER NOT NULL
);
CREATE INDEX hold_received ON hold (quarantine, received) WHERE mark = 'HELD';
CREATE INDEX hold_exit ON hold (exit_at) WHERE mark = 'HELD';
CREATE TABLE delivery (
    mid INTEGER NOT NULL,
    rid INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('DUE', 'DOT', 'DELIVERED', 'FAILED', 'CANCELLED')),
    next_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    delayed INTEGER NOT NULL,
    address TEXT NOT NULL,
    host TEXT NOT NULL,
    notify TEXT NOT NULL,
    orcpt TEXT NOT NULL,
    reply TEXT NOT NULL,
    PRIMARY KEY (mid, rid)
) WITHOUT ROWID;
CREATE INDEX delivery_open ON delivery (mid, rid) WHERE state IN ('DUE', 'DOT');
CREATE TABLE transfer (
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    mid INTEGER NOT NULL,
    peer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('Q', 'X', 'DONE', 'CANC', 'STUCK', 'DOUBT')),
    attempts INTEGER NOT NULL,
    ack_inc INTEGER NOT NULL,
    ack_seq INTEGER NOT NULL,
    error TEXT NOT NULL,
    seal BLOB NOT NULL,
    commands BLOB NOT NULL,
    metadata BLOB NOT NULL,
    UNIQUE (cid, hop)
);
CREATE INDEX transfer_open ON transfer (peer, seq) WHERE state IN ('Q', 'X');
CREATE INDEX transfer_ended_otherwise ON transfer (mid) WHERE state IN ('CANC', 'STUCK', 'DOUBT');
CREATE TABLE tombstone (
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('ACC', 'CANC')),
    seal TEXT NOT NULL,            -- "-": inferred, matches any
    peer TEXT NOT NULL,
    inc INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (cid, hop)
) WITHOUT ROWID;
CREATE TABLE journal (
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('FIN', 'DEL')),
    seal TEXT NOT NULL,
    peer TEXT NOT NULL,
    at INTEGER NOT NULL,
    mid INTEGER NOT NULL,
    pairs TEXT NOT NULL,
    PRIMARY KEY (cid, hop)
) WITHOUT ROWID;
CREATE UNIQUE INDEX journal_peer ON journal (peer, seq);
CREATE TABLE peer (
    serial TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('gateway', 'manager')),
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    certificate TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    sign_key TEXT NOT NULL,
    nonce TEXT NOT NULL,
    inc INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    journal_in INTEGER NOT NULL,
    journal_out INTEGER NOT NULL,
    watermark INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    locked TEXT NOT NULL,
    withdrawn INTEGER NOT NULL,
    knows_inc INTEGER NOT NULL,    -- what it was seen to remember of us
    knows_seq INTEGER NOT NULL,
    set_back_here INTEGER NOT NULL,
    set_back_there INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE peer_nonce (          -- instances that a newer one replaced
    serial TEXT NOT NULL,
    nonce TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (serial, nonce)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    retention_s INTEGER NOT NULL,
    default_action TEXT NOT NULL CHECK (default_action IN ('release', 'delete')),
    overflow TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    suspended INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE user (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    quarantines TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE segment (
    number INTEGER PRIMARY KEY,
    live INTEGER NOT NULL,         -- bodies in it that a row of copy names
    used INTEGER NOT NULL
);
CREATE TABLE shared_body (         -- bodies that several rows of copy name (a message that was split)
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (segment, offset)
) WITHOUT ROWID;
CREATE TABLE tally (               -- counts kept beside the rows, so that a gauge never scans
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    octets INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    mid INTEGER NOT NULL,
    cid TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE TRIGGER audit_is_final_1 BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are final'); END;
CREATE TRIGGER audit_is_final_2 BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are final'); END;
"""

ADDED_IN_3 = """
CREATE TABLE cancelled_target (    -- gateways that will never take a release hop which is offered elsewhere now
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    peer TEXT NOT NULL,
    PRIMARY KEY (cid, hop, peer)
) WITHOUT ROWID;
CREATE TABLE told (                -- manager: what gateways told while it was set back; ends of cancelled hops
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    peer TEXT NOT NULL,
    state TEXT NOT NULL,
    seal TEXT NOT NULL,
    pairs TEXT NOT NULL,
    fresh INTEGER NOT NULL,        -- not yet reconciled
    PRIMARY KEY (cid, hop, peer)
) WITHOUT ROWID;
CREATE TABLE deleted (             -- gateway: what a manager told to be deleted, by its number
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    peer TEXT NOT NULL,
    inc INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (cid, hop)
) WITHOUT ROWID;
CREATE TABLE taken_back (          -- gateway: copies whose hop was cancelled and that are being delivered by itself
    mid INTEGER PRIMARY KEY
);
ALTER TABLE peer ADD COLUMN lost_inc INTEGER NOT NULL DEFAULT 0;   -- the state that it was set back to
ALTER TABLE peer ADD COLUMN lost_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN testified INTEGER NOT NULL DEFAULT 0;  -- we were set back, and it told all that we may lack
ALTER TABLE peer ADD COLUMN newer INTEGER NOT NULL DEFAULT 0;      -- we were set back, and it was, too, since then
ALTER TABLE journal RENAME TO journal_1;
CREATE TABLE journal (
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state = 'FIN' OR state = 'DEL' OR state = 'ACC' OR state = 'CANC' OR state = 'LOC'),
    seal TEXT NOT NULL,
    peer TEXT NOT NULL,
    at INTEGER NOT NULL,
    mid INTEGER NOT NULL,
    pairs TEXT NOT NULL,
    PRIMARY KEY (cid, hop)
) WITHOUT ROWID;
INSERT INTO journal SELECT * FROM journal_1;
DROP TABLE journal_1;
CREATE UNIQUE INDEX journal_peer ON journal (peer, seq);
"""
ADDED_IN_4 = """
ALTER TABLE peer ADD COLUMN ssh_host TEXT NOT NULL DEFAULT '';        -- its command line
ALTER TABLE peer ADD COLUMN ssh_port INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN ssh_host_key TEXT NOT NULL DEFAULT '';
ALTER TABLE peer ADD COLUMN ssh_client_key TEXT NOT NULL DEFAULT '';
ALTER TABLE peer ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE peer ADD COLUMN service_off INTEGER NOT NULL DEFAULT 0;   -- manager: the quarantine is not for this gateway
"""
