BEGIN TRANSACTION;
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
INSERT INTO "audit" VALUES(1,1795490000000,'system','enroll',0,'','{}',X'387E4155B47641FE2EEEECE0B9AFF9A8628626F438F4F770F220B580BAC41C2C');
INSERT INTO "audit" VALUES(2,1795490000000,'system','enroll',0,'','{}',X'F917DB93159CB1B9507F92A49217C9602BDF52A5964A364719A240989F91BC5C');
INSERT INTO "audit" VALUES(3,1795490000000,'system','quarantine',0,'','{}',X'856130A8C18956877C8A3E6698C621AD77B33D1D9023F4A5AB06FA62622D4682');
INSERT INTO "audit" VALUES(4,1795490000000,'system','quarantine',0,'','{}',X'E232DBEE40C7E186DE5C7CD75B22615654B69E700D3B7EA583049445C6FA0DCE');
INSERT INTO "audit" VALUES(5,1795490000000,'system','receive',1,'01a20b8b2c8100000000000000000001','{}',X'74D4C6DECE56D34539170AC86948C7BBF9228F7A7665BCEB0CC26C55D0F4E714');
INSERT INTO "audit" VALUES(6,1795490000000,'system','accept',3,'01a20b8b2c8300000000000000000003','{}',X'E71F5BC6A7CA20EDFE02E99972BD8FA2ED034B0A71F595C290A7D0730146B867');
INSERT INTO "audit" VALUES(7,1795490000000,'carol','release',3,'01a20b8b2c8300000000000000000003','{}',X'38AB436D90AE3417B2379AD4D0CB38F439264A01911CB6E4FC017C7C366F1051');
INSERT INTO "audit" VALUES(8,1795490000000,'system','receive',2,'01a20b8b2c8200000000000000000002','{}',X'E427BB79C825655B0F997344A3558EC19AA3892E232F4BF72236D17497379161');
INSERT INTO "audit" VALUES(9,1795490000000,'system','accept',4,'01a20b8b2c8400000000000000000004','{}',X'268B09FC253E5D9E307F69D6FE78962CB841D015119C7E9735A3269778EA3ACA');
INSERT INTO "audit" VALUES(10,1795490000000,'carol','delete',4,'01a20b8b2c8400000000000000000004','{}',X'7770D419EE9E49A2D1847A98C0754D584B83DFED55863639557D97ED843E2376');
INSERT INTO "audit" VALUES(11,1795490000000,'peer:564DAAAA00000000GW01','cancel',0,'01a20b8b2ccd0000000000000000004d','{"hop": 1}',X'84C41EB73870AA5D0C3CF4461C09876E64B9B31139BFC8B1116B9B84DFCB4BD0');
CREATE TABLE cancelled_target (    -- gateways that will never take a release hop which is offered elsewhere now
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    peer TEXT NOT NULL,
    PRIMARY KEY (cid, hop, peer)
) WITHOUT ROWID;
CREATE TABLE copy (
    mid INTEGER PRIMARY KEY,
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    custody TEXT NOT NULL CHECK (custody = 'RECEIVED' OR custody = 'ACTIVE' OR custody = 'SETTLED' OR custody = 'Q' OR custody = 'X' OR custody = 'DONE' OR custody = 'LOC' OR custody = 'DOUBT' OR custody = 'HELD' OR custody = 'REL' OR custody = 'RELD' OR custody = 'CLOSED' OR custody = 'DEL'),
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
INSERT INTO "copy" VALUES(1,X'01A20B8B2C8100000000000000000001',1,'HELD',1,1795490000000,1,0,62,NULL,X'08D093647CC98EBD79C55AA4DF2DD507695214654CFA6A2121901B183FDF928A','alice@example.org','bob@example.com','Offer','192.0.2.1',NULL,NULL,NULL,NULL,X'9807B9416C696365203C616C696365406578616D706C652E6F72673EAF3C31406578616D706C652E6F72673EA0B43536344441414141303030303030303047573031B0677730312E6578616D706C652E6E657401C0',X'');
INSERT INTO "copy" VALUES(2,X'01A20B8B2C8200000000000000000002',1,'HELD',1,1795490000000,1,62,62,NULL,X'A8DC3539C67ACC9B2A4AB0727A3AD7101F574229C998FA1A2151109D126D92F7','alice@example.org','bob@example.com','Angebot für Ärzte','192.0.2.1',NULL,NULL,NULL,'angebot für ärzte',X'9807B9416C696365203C616C696365406578616D706C652E6F72673EAF3C32406578616D706C652E6F72673EA0B43536344441414141303030303030303047573031B0677730312E6578616D706C652E6E657402C0',X'');
INSERT INTO "copy" VALUES(3,X'01A20B8B2C8300000000000000000003',1,'REL',2,1795490000000,1,124,62,NULL,X'FC5BE5A70A1E3E6148832FD2BD0504CF3423ABD6451F4803AA5DA1EB5157E650','alice@example.org','bob@example.com','Offer','192.0.2.1',NULL,NULL,NULL,NULL,X'9807B9416C696365203C616C696365406578616D706C652E6F72673EAF3C33406578616D706C652E6F72673EA0B43536344441414141303030303030303047573031B0677730312E6578616D706C652E6E657403C0',X'');
INSERT INTO "copy" VALUES(4,X'01A20B8B2C8400000000000000000004',1,'DEL',2,1795490000000,1,186,62,NULL,X'53B638E5AE3667874F0EEA021DDAC323A88F8D512593CA842B394473912F80CC','alice@example.org','bob@example.com','Offer','192.0.2.1',NULL,NULL,NULL,NULL,X'9807B9416C696365203C616C696365406578616D706C652E6F72673EAF3C34406578616D706C652E6F72673EA0B43536344441414141303030303030303047573031B0677730312E6578616D706C652E6E657404C0',X'');
CREATE TABLE deleted (             -- gateway: what a manager told to be deleted, by its number
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    peer TEXT NOT NULL,
    inc INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (cid, hop)
) WITHOUT ROWID;
CREATE TABLE delivery (
    mid INTEGER NOT NULL,
    rid INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state = 'DUE' OR state = 'DOT' OR state = 'DELIVERED' OR state = 'FAILED' OR state = 'CANCELLED'),
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
CREATE TABLE hold (
    mid INTEGER NOT NULL,
    quarantine TEXT NOT NULL,
    mark TEXT NOT NULL CHECK (mark = 'HELD' OR mark = 'RELEASED' OR mark = 'DELETED'),
    received INTEGER NOT NULL,
    exit_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    default_action TEXT NOT NULL CHECK (default_action = 'release' OR default_action = 'delete'),
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    decided_at INTEGER NOT NULL,
    reasons TEXT NOT NULL,         -- JSON
    matched TEXT NOT NULL,
    outbreak TEXT NOT NULL,
    PRIMARY KEY (mid, quarantine),
    CHECK ((mark = 'HELD') = (actor = ''))  -- nothing leaves quarantine without who ordered it
) WITHOUT ROWID;
INSERT INTO "hold" VALUES(1,'Policy','HELD',1795490000000,1795576400000,'policy','delete','','',0,'["content filter \"big\""]','[]','');
INSERT INTO "hold" VALUES(1,'Virus','HELD',1795490000000,1795576400000,'virus','delete','','',0,'["content filter \"big\""]','[]','');
INSERT INTO "hold" VALUES(2,'Policy','HELD',1795490000000,1795576400000,'policy','delete','','',0,'["content filter \"big\""]','[]','');
INSERT INTO "hold" VALUES(3,'Policy','RELEASED',1795490000000,1795576400000,'policy','delete','manual','carol',1795490000000,'["content filter \"big\""]','[]','');
INSERT INTO "hold" VALUES(4,'Policy','DELETED',1795490000000,1795576400000,'policy','delete','manual','carol',1795490000000,'["content filter \"big\""]','[]','');
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
INSERT INTO "journal" VALUES(X'01A20B8B2C8400000000000000000004',1,5,'DEL','-','564DAAAA00000000GW01',1795490000000,4,'{"ACTOR": "carol", "WHY": "manual"}');
CREATE TABLE late_copy (           -- held copies that were committed after one with a higher MID (index.py)
    id INTEGER PRIMARY KEY,
    mid INTEGER NOT NULL
);
INSERT INTO "late_copy" VALUES(1,2);
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
INSERT INTO "meta" VALUES(0,'564DAAAA00000000MG07','manager',1,6,4,11,X'84C41EB73870AA5D0C3CF4461C09876E64B9B31139BFC8B1116B9B84DFCB4BD0');
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
, lost_inc INTEGER NOT NULL DEFAULT 0, lost_seq INTEGER NOT NULL DEFAULT 0, testified INTEGER NOT NULL DEFAULT 0, newer INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
INSERT INTO "peer" VALUES('564DAAAA00000000GW01','gateway','gw01.example.net','192.0.2.1',7025,'-----BEGIN CERTIFICATE-----','abababababababababababababababababababababababababababababababab','','abababababababababababababababab',1,11,'192.0.2.1:7025',0,0,0,0,'',0,0,0,0,0,0,0,0,0);
INSERT INTO "peer" VALUES('564DAAAA00000000GW02','gateway','gw02.example.net','192.0.2.1',7025,'-----BEGIN CERTIFICATE-----','abababababababababababababababababababababababababababababababab','','5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c',1,0,'192.0.2.1:7025',0,0,0,0,'',0,0,0,0,0,0,0,0,0);
CREATE TABLE peer_nonce (          -- instances that a newer one replaced
    serial TEXT NOT NULL,
    nonce TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (serial, nonce)
) WITHOUT ROWID;
INSERT INTO "peer_nonce" VALUES('564DAAAA00000000GW01','5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c',1795490000000);
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
INSERT INTO "quarantine" VALUES('Policy','policy',864000,'delete','{}','system',0,0);
INSERT INTO "quarantine" VALUES('Virus','virus',864000,'delete','{}','system',0,0);
CREATE TABLE segment (
    number INTEGER PRIMARY KEY,
    live INTEGER NOT NULL,         -- bodies in it that a row of copy names
    used INTEGER NOT NULL
);
INSERT INTO "segment" VALUES(1,4,248);
CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "setting" VALUES('connection_numbers','100001');
CREATE TABLE shared_body (         -- bodies that several rows of copy name (a message that was split)
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (segment, offset)
) WITHOUT ROWID;
CREATE TABLE taken_back (          -- gateway: copies whose hop was cancelled and that are being delivered by itself
    mid INTEGER PRIMARY KEY
);
CREATE TABLE tally (               -- counts kept beside the rows, so that a gauge never scans
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    octets INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "tally" VALUES('copy.DEL',1,0);
INSERT INTO "tally" VALUES('copy.HELD',2,0);
INSERT INTO "tally" VALUES('copy.REL',1,0);
INSERT INTO "tally" VALUES('quarantine.Policy',2,124);
INSERT INTO "tally" VALUES('quarantine.Virus',1,62);
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
INSERT INTO "tombstone" VALUES(X'01A20B8B2C8100000000000000000001',1,'ACC','f0f668bf610e5cf9f11d2aa50f924ada10797100e8f05de085842ddb6370a867','564DAAAA00000000GW01',1,1,1795490000000);
INSERT INTO "tombstone" VALUES(X'01A20B8B2C8200000000000000000002',1,'ACC','f0f668bf610e5cf9f11d2aa50f924ada10797100e8f05de085842ddb6370a867','564DAAAA00000000GW01',1,4,1795490000000);
INSERT INTO "tombstone" VALUES(X'01A20B8B2CCD0000000000000000004D',1,'CANC','f0f668bf610e5cf9f11d2aa50f924ada10797100e8f05de085842ddb6370a867','564DAAAA00000000GW01',1,6,1795490000000);
CREATE TABLE transfer (
    cid BLOB NOT NULL CHECK (length(cid) = 16),
    hop INTEGER NOT NULL,
    mid INTEGER NOT NULL,
    peer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state = 'Q' OR state = 'X' OR state = 'DONE' OR state = 'CANC' OR state = 'STUCK' OR state = 'DOUBT'),
    attempts INTEGER NOT NULL,
    ack_inc INTEGER NOT NULL,
    ack_seq INTEGER NOT NULL,
    error TEXT NOT NULL,
    seal BLOB NOT NULL,
    commands BLOB NOT NULL,
    metadata BLOB NOT NULL,
    UNIQUE (cid, hop)
);
INSERT INTO "transfer" VALUES(X'01A20B8B2C8300000000000000000003',2,3,'564DAAAA00000000GW01',2,'X',0,0,0,'','2b32963c37df241961c3fd444b5172735ec328f278e5b94c0d81b42ffa5e8480',X'4D41494C2046524F4D3A3C616C696365406578616D706C652E6F72673E2058515849443D30316132306238623263383330303030303030303030303030303030303030332E320D0A',X'7B2276223A317D');
CREATE TABLE user (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    quarantines TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "user" VALUES('admin','administrator','$argon2id$x','[]',1795490000000,0);
CREATE UNIQUE INDEX copy_hop ON copy (cid, hop);
CREATE INDEX copy_received ON copy (mid) WHERE custody = 'RECEIVED';
CREATE INDEX copy_idle ON copy (idle_since) WHERE idle_since IS NOT NULL;
CREATE INDEX hold_received ON hold (quarantine, received) WHERE mark = 'HELD';
CREATE INDEX hold_exit ON hold (exit_at) WHERE mark = 'HELD';
CREATE INDEX delivery_open ON delivery (mid, rid) WHERE state IN ('DUE', 'DOT');
CREATE INDEX transfer_open ON transfer (peer, seq) WHERE state IN ('Q', 'X');
CREATE INDEX transfer_ended_otherwise ON transfer (mid) WHERE state IN ('CANC', 'STUCK', 'DOUBT');
CREATE TRIGGER audit_is_final_1 BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are final'); END;
CREATE TRIGGER audit_is_final_2 BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are final'); END;
CREATE UNIQUE INDEX journal_peer ON journal (peer, seq);
COMMIT;
