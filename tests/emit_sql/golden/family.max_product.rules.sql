-- Rules of `test` in order of evaluation, semantics max_product.
-- Texts are ids of nesyc.symbol; :REL_lo and :REL_hi bound the rows of REL that are new in a round.
-- Rounds go in a few courses, the high confidences first: from :floor up to :ceiling.

-- stratum 1: kin; the delta statements run in rounds until nothing is new

-- kb.nesy:70
-- kin(a, b, r) :- parent(a, b, r);

-- name: kin_base
INSERT INTO "kin.rows" (a, b, rel, conf)
SELECT parent_1.child, parent_1.parent, parent_1.role, 1.0 * parent_1.conf
FROM "parent.rows" AS parent_1
WHERE true
ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf
WHERE excluded.conf > conf;

-- kb.nesy:71
-- kin(a, c, r) :- kin(a, b, r1), parent(b, c, r2), compose(r1, r2, r), a != c;

-- name: kin_chain.delta1
INSERT INTO "kin.rows" (a, b, rel, conf)
SELECT kin_1.a, parent_2.parent, compose_3.out, 0.92 * kin_1.conf * parent_2.conf * compose_3.conf
FROM "kin.rows" AS kin_1
CROSS JOIN "parent.rows" AS parent_2 ON parent_2.child = kin_1.b
CROSS JOIN "compose.rows" AS compose_3 ON compose_3."first" = kin_1.rel AND compose_3.second = parent_2.role
WHERE kin_1.a <> parent_2.parent
  AND kin_1._row > :kin_lo AND kin_1._row <= :kin_hi
  AND kin_1.conf >= :floor AND kin_1.conf < :ceiling
ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf
WHERE excluded.conf > conf;

-- name: kin.resolve
INSERT INTO "kin.winners" (_row, a, b, rel, conf)
SELECT _row, a, b, rel, conf FROM "kin.rows" WHERE _row IN (
  SELECT _row FROM (
    SELECT _row, row_number() OVER (PARTITION BY a, b ORDER BY round(conf, 12) DESC, (SELECT text FROM "nesyc.symbol" WHERE id = a), (SELECT text FROM "nesyc.symbol" WHERE id = b), (SELECT place FROM "Kin.enum" WHERE symbol = rel)) AS place FROM "kin.rows"
  ) WHERE place = 1
);

-- stratum 2: sibling

-- kb.nesy:72
-- sibling(a, b) :- parent(a, p, _), parent(b, p, _), a != b;

-- name: sib
INSERT INTO "sibling.rows" (a, b, conf)
SELECT parent_1.child, parent_2.child, 1.0 * parent_1.conf * parent_2.conf
FROM "parent.rows" AS parent_1
JOIN "parent.rows" AS parent_2 ON parent_2.parent = parent_1.parent
WHERE parent_1.child <> parent_2.child
ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf
WHERE excluded.conf > conf;

-- stratum 3: only_child

-- kb.nesy:73
-- only_child(a) :- person(a), not sibling(a, _);

-- name: no_sib
INSERT INTO "only_child.rows" (a, conf)
SELECT person_1.name, 1.0 * person_1.conf
FROM "person.rows" AS person_1
WHERE NOT EXISTS (SELECT 1 FROM "sibling.rows" AS sibling_2 WHERE sibling_2.a = person_1.name)
ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf
WHERE excluded.conf > conf;

-- stratum 4: sibling_count

-- kb.nesy:74
-- sibling_count(a, n) :- person(a), n = count(b: sibling(a, b));

-- name: sib_n
INSERT INTO "sibling_count.rows" (a, n, conf)
SELECT person_1.name, (SELECT count(value) FROM (
  SELECT DISTINCT sibling_2.b AS value
  FROM "sibling.rows" AS sibling_2
  WHERE sibling_2.a = person_1.name
)), 1.0 * person_1.conf
FROM "person.rows" AS person_1
WHERE true
ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf
WHERE excluded.conf > conf;

-- kb.nesy:75
-- parent(a, a, _)

-- name: self_parent
SELECT parent_1._row, parent_1.child, parent_1.role
FROM "parent.rows" AS parent_1
WHERE parent_1.parent = parent_1.child;

-- kb.nesy:76
-- kin(a, a, _)

-- name: own_kin
SELECT kin_1._row, kin_1.a, kin_1.rel
FROM "kin.winners" AS kin_1
WHERE kin_1.b = kin_1.a;
