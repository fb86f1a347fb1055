-- What all ways of reserving share.
CREATE TABLE stock (
  sku text PRIMARY KEY,
  on_hand bigint NOT NULL,
  reserved bigint NOT NULL DEFAULT 0,
  CHECK (reserved BETWEEN 0 AND on_hand)
) WITH (fillfactor = 70);

-- A reservation of one line, and one of several.
CREATE TABLE reservation (
  id bigint GENERATED ALWAYS AS IDENTITY (CACHE 32) PRIMARY KEY,
  key text NOT NULL UNIQUE,
  sku text NOT NULL,
  quantity bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  open boolean NOT NULL DEFAULT true
);
CREATE INDEX ON reservation (expires_at) WHERE open;

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

-- Gives back what is due. It does not run while we measure.
CREATE FUNCTION expire(most integer) RETURNS bigint LANGUAGE sql AS $$
  WITH due AS (
    UPDATE reservation SET open = false WHERE id IN (
      SELECT id FROM reservation WHERE open AND expires_at <= now()
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
    ) AS lines GROUP BY sku
  ), given AS (
    UPDATE stock s SET reserved = s.reserved - free.quantity FROM free WHERE s.sku = free.sku RETURNING free.quantity
  )
  SELECT coalesce(sum(quantity), 0)::bigint FROM given
$$;
