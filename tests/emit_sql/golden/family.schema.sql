-- Knowledge base `test` (kb.nesy:1).
-- Texts are held once, in nesyc.symbol; the view with a relation's own name shows them.

-- Every text that joins.
CREATE TABLE "nesyc.symbol" (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;

-- What was loaded and evaluated last.
CREATE TABLE "nesyc.state" (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Further owners of a row: it stays while one of them holds it.
CREATE TABLE "nesyc.claim" (
  relation TEXT NOT NULL,
  row INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  written REAL NOT NULL,
  origin INTEGER NOT NULL,
  status INTEGER NOT NULL,
  line INTEGER,
  provenance TEXT,
  PRIMARY KEY (relation, row, owner)
) STRICT;

-- Facts a person rejected (as JSON): no stage writes them again.
CREATE TABLE "nesyc.rejected" (
  relation TEXT NOT NULL,
  fact TEXT NOT NULL,
  owner TEXT NOT NULL,
  note TEXT,
  PRIMARY KEY (relation, fact)
) STRICT;

-- Facts, and instances of rules, that proofs of derived facts stand on.
CREATE TABLE "nesyc.leaf" (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  rule TEXT,
  conf REAL NOT NULL,
  cap REAL NOT NULL
) STRICT;

-- The 3 best leaf sets of each derived fact.
CREATE TABLE "nesyc.proof" (
  relation TEXT NOT NULL,
  row INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  rule TEXT NOT NULL,
  value REAL NOT NULL,
  leaves TEXT NOT NULL,
  PRIMARY KEY (relation, row, rank)
) STRICT;

-- enum Kin (kb.nesy:5), constants in order of declaration
CREATE TABLE "Kin.enum" (
  symbol INTEGER PRIMARY KEY REFERENCES "nesyc.symbol"(id),
  place INTEGER NOT NULL UNIQUE
) STRICT;

INSERT OR IGNORE INTO "nesyc.symbol" (text) VALUES ('father'), ('mother'), ('son'), ('daughter'), ('brother'), ('sister'), ('uncle'), ('aunt'), ('grandfather'), ('grandmother');

INSERT OR REPLACE INTO "Kin.enum" (symbol, place)
SELECT id, column2 FROM (VALUES ('father', 1), ('mother', 2), ('son', 3), ('daughter', 4), ('brother', 5), ('sister', 6), ('uncle', 7), ('aunt', 8), ('grandfather', 9), ('grandmother', 10)) JOIN "nesyc.symbol" ON text = column1;

-- relation person (kb.nesy:50)
CREATE TABLE "person.rows" (
  _row INTEGER PRIMARY KEY,
  name INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  conf REAL NOT NULL,
  origin INTEGER NOT NULL,
  status INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  written REAL NOT NULL,
  line INTEGER,
  provenance TEXT
) STRICT;

CREATE UNIQUE INDEX "person.rows.set" ON "person.rows" (name);

CREATE VIEW person AS
SELECT
  s1.text AS name,
  r.conf AS conf,
  i_origin.text AS origin,
  i_status.text AS status,
  i_owner.text AS owner
FROM "person.rows" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r.name
JOIN "nesyc.symbol" AS i_origin ON i_origin.id = r.origin
JOIN "nesyc.symbol" AS i_status ON i_status.id = r.status
JOIN "nesyc.symbol" AS i_owner ON i_owner.id = r.owner;

-- relation parent (kb.nesy:51)
CREATE TABLE "parent.rows" (
  _row INTEGER PRIMARY KEY,
  child INTEGER NOT NULL REFERENCES "person.rows"(name),
  parent INTEGER NOT NULL REFERENCES "person.rows"(name),
  role INTEGER NOT NULL REFERENCES "Kin.enum"(symbol),
  conf REAL NOT NULL,
  origin INTEGER NOT NULL,
  status INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  written REAL NOT NULL,
  line INTEGER,
  provenance TEXT
) STRICT;

CREATE UNIQUE INDEX "parent.rows.set" ON "parent.rows" (child, parent);

CREATE INDEX "parent.rows.by.parent" ON "parent.rows" (parent, child, role);

CREATE VIEW parent AS
SELECT
  s1.text AS child,
  s2.text AS parent,
  s3.text AS role,
  r.conf AS conf,
  i_origin.text AS origin,
  i_status.text AS status,
  i_owner.text AS owner
FROM "parent.rows" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r.child
JOIN "nesyc.symbol" AS s2 ON s2.id = r.parent
JOIN "nesyc.symbol" AS s3 ON s3.id = r.role
JOIN "nesyc.symbol" AS i_origin ON i_origin.id = r.origin
JOIN "nesyc.symbol" AS i_status ON i_status.id = r.status
JOIN "nesyc.symbol" AS i_owner ON i_owner.id = r.owner;

-- relation compose (kb.nesy:55)
CREATE TABLE "compose.rows" (
  _row INTEGER PRIMARY KEY,
  "first" INTEGER NOT NULL REFERENCES "Kin.enum"(symbol),
  second INTEGER NOT NULL REFERENCES "Kin.enum"(symbol),
  out INTEGER NOT NULL REFERENCES "Kin.enum"(symbol),
  conf REAL NOT NULL,
  origin INTEGER NOT NULL,
  status INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  written REAL NOT NULL,
  line INTEGER,
  provenance TEXT
) STRICT;

CREATE UNIQUE INDEX "compose.rows.set" ON "compose.rows" ("first", second);

CREATE VIEW compose AS
SELECT
  s1.text AS "first",
  s2.text AS second,
  s3.text AS out,
  r.conf AS conf,
  i_origin.text AS origin,
  i_status.text AS status,
  i_owner.text AS owner
FROM "compose.rows" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r."first"
JOIN "nesyc.symbol" AS s2 ON s2.id = r.second
JOIN "nesyc.symbol" AS s3 ON s3.id = r.out
JOIN "nesyc.symbol" AS i_origin ON i_origin.id = r.origin
JOIN "nesyc.symbol" AS i_status ON i_status.id = r.status
JOIN "nesyc.symbol" AS i_owner ON i_owner.id = r.owner;

-- derived kin (kb.nesy:57)
CREATE TABLE "kin.rows" (
  _row INTEGER PRIMARY KEY,
  a INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  b INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  rel INTEGER NOT NULL REFERENCES "Kin.enum"(symbol),
  conf REAL NOT NULL DEFAULT 1.0
) STRICT;

CREATE UNIQUE INDEX "kin.rows.set" ON "kin.rows" (a, b, rel);

-- the winners of kin under `unique ... resolve`
CREATE TABLE "kin.winners" (
  _row INTEGER PRIMARY KEY,
  a INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  b INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  rel INTEGER NOT NULL REFERENCES "Kin.enum"(symbol),
  conf REAL NOT NULL DEFAULT 1.0
) STRICT;

CREATE UNIQUE INDEX "kin.winners.set" ON "kin.winners" (a, b, rel);

CREATE VIEW kin AS
SELECT
  s1.text AS a,
  s2.text AS b,
  s3.text AS rel,
  r.conf AS conf
FROM "kin.winners" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r.a
JOIN "nesyc.symbol" AS s2 ON s2.id = r.b
JOIN "nesyc.symbol" AS s3 ON s3.id = r.rel;

-- derived sibling (kb.nesy:58)
CREATE TABLE "sibling.rows" (
  _row INTEGER PRIMARY KEY,
  a INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  b INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  conf REAL NOT NULL DEFAULT 1.0
) STRICT;

CREATE UNIQUE INDEX "sibling.rows.set" ON "sibling.rows" (a, b);

CREATE VIEW sibling AS
SELECT
  s1.text AS a,
  s2.text AS b,
  r.conf AS conf
FROM "sibling.rows" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r.a
JOIN "nesyc.symbol" AS s2 ON s2.id = r.b;

-- derived only_child (kb.nesy:59)
CREATE TABLE "only_child.rows" (
  _row INTEGER PRIMARY KEY,
  a INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  conf REAL NOT NULL DEFAULT 1.0
) STRICT;

CREATE UNIQUE INDEX "only_child.rows.set" ON "only_child.rows" (a);

CREATE VIEW only_child AS
SELECT
  s1.text AS a,
  r.conf AS conf
FROM "only_child.rows" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r.a;

-- derived sibling_count (kb.nesy:60)
CREATE TABLE "sibling_count.rows" (
  _row INTEGER PRIMARY KEY,
  a INTEGER NOT NULL REFERENCES "nesyc.symbol"(id),
  n INTEGER NOT NULL,
  conf REAL NOT NULL DEFAULT 1.0
) STRICT;

CREATE UNIQUE INDEX "sibling_count.rows.set" ON "sibling_count.rows" (a, n);

CREATE VIEW sibling_count AS
SELECT
  s1.text AS a,
  r.n AS n,
  r.conf AS conf
FROM "sibling_count.rows" AS r
JOIN "nesyc.symbol" AS s1 ON s1.id = r.a;

-- relation lesson (kb.nesy:62)
CREATE TABLE "lesson.rows" (
  _row INTEGER PRIMARY KEY,
  id INTEGER NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  "trigger" INTEGER REFERENCES "nesyc.symbol"(id),
  conf REAL NOT NULL,
  origin INTEGER NOT NULL,
  status INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  written REAL NOT NULL,
  line INTEGER,
  provenance TEXT
) STRICT;

CREATE UNIQUE INDEX "lesson.rows.set" ON "lesson.rows" (id);

CREATE VIEW lesson AS
SELECT
  r.id AS id,
  r.title AS title,
  r.body AS body,
  s4.text AS "trigger",
  r.conf AS conf,
  i_origin.text AS origin,
  i_status.text AS status,
  i_owner.text AS owner
FROM "lesson.rows" AS r
LEFT JOIN "nesyc.symbol" AS s4 ON s4.id = r."trigger"
JOIN "nesyc.symbol" AS i_origin ON i_origin.id = r.origin
JOIN "nesyc.symbol" AS i_status ON i_status.id = r.status
JOIN "nesyc.symbol" AS i_owner ON i_owner.id = r.owner;

CREATE VIRTUAL TABLE "lesson.fulltext" USING fts5(title, body, content='lesson.rows', content_rowid='_row', tokenize='unicode61');

CREATE TRIGGER "lesson.fulltext.insert" AFTER INSERT ON "lesson.rows" BEGIN
  INSERT INTO "lesson.fulltext" (rowid, title, body) VALUES (new._row, new.title, new.body);
END;

CREATE TRIGGER "lesson.fulltext.delete" AFTER DELETE ON "lesson.rows" BEGIN
  INSERT INTO "lesson.fulltext" ("lesson.fulltext", rowid, title, body) VALUES ('delete', old._row, old.title, old.body);
END;

CREATE TRIGGER "lesson.fulltext.update" AFTER UPDATE OF _row, title, body ON "lesson.rows" BEGIN
  INSERT INTO "lesson.fulltext" ("lesson.fulltext", rowid, title, body) VALUES ('delete', old._row, old.title, old.body);
  INSERT INTO "lesson.fulltext" (rowid, title, body) VALUES (new._row, new.title, new.body);
END;

-- rows of person that came, and rows that went, since the rules ran last
CREATE TABLE "person.came" (
  _row INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE "person.gone" (
  name INTEGER,
  conf REAL
) STRICT;

CREATE TRIGGER "person.came.insert" AFTER INSERT ON "person.rows" BEGIN
  INSERT OR IGNORE INTO "person.came" (_row) VALUES (new._row);
END;

CREATE TRIGGER "person.gone.delete" AFTER DELETE ON "person.rows" BEGIN
  INSERT INTO "person.gone" (name, conf) SELECT old.name, old.conf WHERE NOT EXISTS (SELECT 1 FROM "person.came" WHERE _row = old._row);
  DELETE FROM "person.came" WHERE _row = old._row;
END;

CREATE TRIGGER "person.came.update" AFTER UPDATE OF name, conf ON "person.rows" WHEN old.name IS NOT new.name OR old.conf IS NOT new.conf BEGIN
  INSERT INTO "person.gone" (name, conf) SELECT old.name, old.conf WHERE NOT EXISTS (SELECT 1 FROM "person.came" WHERE _row = old._row);
  INSERT OR IGNORE INTO "person.came" (_row) VALUES (new._row);
END;

-- rows of parent that came, and rows that went, since the rules ran last
CREATE TABLE "parent.came" (
  _row INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE "parent.gone" (
  child INTEGER,
  parent INTEGER,
  role INTEGER,
  conf REAL
) STRICT;

CREATE TRIGGER "parent.came.insert" AFTER INSERT ON "parent.rows" BEGIN
  INSERT OR IGNORE INTO "parent.came" (_row) VALUES (new._row);
END;

CREATE TRIGGER "parent.gone.delete" AFTER DELETE ON "parent.rows" BEGIN
  INSERT INTO "parent.gone" (child, parent, role, conf) SELECT old.child, old.parent, old.role, old.conf WHERE NOT EXISTS (SELECT 1 FROM "parent.came" WHERE _row = old._row);
  DELETE FROM "parent.came" WHERE _row = old._row;
END;

CREATE TRIGGER "parent.came.update" AFTER UPDATE OF child, parent, role, conf ON "parent.rows" WHEN old.child IS NOT new.child OR old.parent IS NOT new.parent OR old.role IS NOT new.role OR old.conf IS NOT new.conf BEGIN
  INSERT INTO "parent.gone" (child, parent, role, conf) SELECT old.child, old.parent, old.role, old.conf WHERE NOT EXISTS (SELECT 1 FROM "parent.came" WHERE _row = old._row);
  INSERT OR IGNORE INTO "parent.came" (_row) VALUES (new._row);
END;

-- rows of compose that came, and rows that went, since the rules ran last
CREATE TABLE "compose.came" (
  _row INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE "compose.gone" (
  "first" INTEGER,
  second INTEGER,
  out INTEGER,
  conf REAL
) STRICT;

CREATE TRIGGER "compose.came.insert" AFTER INSERT ON "compose.rows" BEGIN
  INSERT OR IGNORE INTO "compose.came" (_row) VALUES (new._row);
END;

CREATE TRIGGER "compose.gone.delete" AFTER DELETE ON "compose.rows" BEGIN
  INSERT INTO "compose.gone" ("first", second, out, conf) SELECT old."first", old.second, old.out, old.conf WHERE NOT EXISTS (SELECT 1 FROM "compose.came" WHERE _row = old._row);
  DELETE FROM "compose.came" WHERE _row = old._row;
END;

CREATE TRIGGER "compose.came.update" AFTER UPDATE OF "first", second, out, conf ON "compose.rows" WHEN old."first" IS NOT new."first" OR old.second IS NOT new.second OR old.out IS NOT new.out OR old.conf IS NOT new.conf BEGIN
  INSERT INTO "compose.gone" ("first", second, out, conf) SELECT old."first", old.second, old.out, old.conf WHERE NOT EXISTS (SELECT 1 FROM "compose.came" WHERE _row = old._row);
  INSERT OR IGNORE INTO "compose.came" (_row) VALUES (new._row);
END;
