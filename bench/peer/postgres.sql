-- What all ways of reserving share.
CREATE TABLE stock (
  sku text PRIMARY KEY,
  on_hand bigint NOT NULL,
  reserved bigint NOT NULL DEFAULT 0,
  CHECK (reserved BETWEEN 0 AND on_hand)
) WITH (fillfactor = 70);

-- A reservation of one line: active, confirmed, fulfilled, released or expired. And one of several.
CREATE TABLE reservation (
  id bigint GENERATED ALWAYS AS IDENTITY (CACHE 32) PRIMARY KEY,
  key text NOT NULL UNIQUE,
  sku text NOT NULL,
  quantity bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  state "char" NOT NULL DEFAULT 'a'
);
CREATE INDEX ON reservation (expires_at) WHERE state = 'a';

CREATE TABLE customer_order (
  id bigint GENERATED ALWAYS AS IDENTITY (CACHE 32) PRIMARY KEY,
  key text NOT NULL UNIQUE,
  skus text[] NOT NULL,
  quantities bigint[] NOT NULL,
  expires_at timestamptz NOT NULL,
  open boolean NOT NULL DEFAULT true
);
CREATE INDEX ON customer_order (expires_at) WHERE open;

-- Takes all or raises an error. The SKUs come ordered, so that callers do not deadlock.
CREATE PROCEDURE take(all_skus text[], all_quantities bigint[]) LANGUAGE plpgsql AS $$
DECLARE n integer;
BEGIN
  UPDATE stock s SET reserved = s.reserved + w.quantity
  FROM unnest(all_skus, all_quantities) AS w (sku, quantity)
  WHERE s.sku = w.sku AND s.on_hand - s.reserved >= w.quantity;
  GET DIAGNOSTICS n = ROW_COUNT;
  IF n < cardinality(all_skus) THEN
    RAISE EXCEPTION 'not enough stock' USING ERRCODE = 'SOLD0';
  END IF;
END $$;

CREATE FUNCTION reserve_order(k text, all_skus text[], all_quantities bigint[], ttl_ms bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE made bigint;
BEGIN
  CALL take(all_skus, all_quantities);
  INSERT INTO customer_order (key, skus, quantities, expires_at)
  VALUES (k, all_skus, all_quantities, now() + ttl_ms * interval '1 ms') RETURNING id INTO made;
  RETURN made;
END $$;

-- Many reservations, with what they take of each SKU added up; all or none of them.
CREATE FUNCTION reserve_batch(
  all_skus text[], all_quantities bigint[], keys text[], skus text[], quantities bigint[], ttls_ms bigint[]
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
  CALL take(all_skus, all_quantities);
  RETURN QUERY INSERT INTO reservation (key, sku, quantity, expires_at)
  SELECT r.k, r.s, r.q, now() + r.t * interval '1 ms' FROM unnest(keys, skus, quantities, ttls_ms) AS r (k, s, q, t)
  RETURNING id;
END $$;

-- Many orders. The lines of each come as the text of an array.
CREATE FUNCTION reserve_orders(
  all_skus text[], all_quantities bigint[], keys text[], skus text[], quantities text[], ttls_ms bigint[]
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
  CALL take(all_skus, all_quantities);
  RETURN QUERY INSERT INTO customer_order (key, skus, quantities, expires_at)
  SELECT r.k, r.s::text[], r.q::bigint[], now() + r.t * interval '1 ms'
  FROM unnest(keys, skus, quantities, ttls_ms) AS r (k, s, q, t)
  RETURNING id;
END $$;

-- Reserves, and takes steps of reservations from one state to another, all or none of it. What becomes of
-- the stock is added up, and done in the order of the SKUs. Returns the units that were given back, then
-- the reservations.
CREATE FUNCTION do_batch(
  keys text[], skus text[], quantities bigint[], ttls_ms bigint[], ids bigint[], was text[], becomes text[]
) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE stepped integer; given bigint; items integer; changed integer;
BEGIN
  WITH step AS (
    UPDATE reservation r SET state = w.becomes::"char" FROM unnest(ids, was, becomes) AS w (id, was, becomes)
    WHERE r.id = w.id AND r.state = w.was::"char" AND (r.state <> 'a' OR r.expires_at > now())
    RETURNING r.sku, r.quantity, r.state
  ), change AS (
    SELECT sku, sum(reserved)::bigint AS reserved, sum(shipped)::bigint AS shipped FROM (
      SELECT w.sku, w.quantity AS reserved, 0 AS shipped FROM unnest(skus, quantities) AS w (sku, quantity)
      UNION ALL SELECT sku, -quantity, CASE state WHEN 'f' THEN quantity ELSE 0 END FROM step WHERE state IN ('f', 'r')
    ) AS parts GROUP BY sku ORDER BY sku
  ), done AS (
    UPDATE stock s SET reserved = s.reserved + c.reserved, on_hand = s.on_hand - c.shipped FROM change c
    WHERE s.sku = c.sku AND s.on_hand - s.reserved >= c.reserved + c.shipped RETURNING s.sku
  )
  SELECT (SELECT count(*) FROM step), (SELECT coalesce(sum(quantity), 0) FROM step WHERE state = 'r'),
    (SELECT count(*) FROM change), (SELECT count(*) FROM done)
  INTO stepped, given, items, changed;
  IF stepped < cardinality(ids) THEN
    RAISE EXCEPTION 'a reservation is not in the state for it' USING ERRCODE = 'STEP0';
  END IF;
  IF changed < items THEN
    RAISE EXCEPTION 'not enough stock' USING ERRCODE = 'SOLD0';
  END IF;
  RETURN NEXT given;
  RETURN QUERY INSERT INTO reservation (key, sku, quantity, expires_at)
  SELECT r.k, r.s, r.q, now() + r.t * interval '1 ms' FROM unnest(keys, skus, quantities, ttls_ms) AS r (k, s, q, t)
  RETURNING id;
END $$;

-- Gives back what is due.
CREATE FUNCTION expire(most integer) RETURNS bigint LANGUAGE sql AS $$
  WITH due AS (
    UPDATE reservation SET state = 'e' WHERE id IN (
      SELECT id FROM reservation WHERE state = 'a' AND expires_at <= now()
      ORDER BY expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ) RETURNING sku, quantity
  ), due_orders AS (
    UPDATE customer_order SET open = false WHERE id IN (
      SELECT id FROM customer_order WHERE open AND expires_at <= now()
      ORDER BY expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ) RETURNING skus, quantities
  ), free AS (
    SELECT sku, sum(quantity) AS quantity FROM (
      SELECT sku, quantity FROM due
      UNION ALL SELECT l.sku, l.quantity FROM due_orders, unnest(skus, quantities) AS l (sku, quantity)
    ) AS lines GROUP BY sku ORDER BY sku
  ), given AS (
    UPDATE stock s SET reserved = s.reserved - free.quantity FROM free WHERE s.sku = free.sku RETURNING free.quantity
  )
  SELECT coalesce(sum(quantity), 0)::bigint FROM given
$$;
