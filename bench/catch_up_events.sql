-- :events events of a busy server, in Synapse's tables (tests/integration/synapse_schema.sql): two writers that take
-- turns, 1,000 rooms, members, messages, relations, redactions; a few rejected, a few that were outliers first. Event
-- ids are hashes, so that rows which follow each other lie anywhere in the other tables' indexes, as they do there.
INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, depth, origin_server_ts,
                    received_ts, sender, contains_url, instance_name, stream_ordering)
SELECT n, '$' || translate(rtrim(encode(sha256(n::text::bytea), 'base64'), '='), '+/', '-_'),
       CASE WHEN n % 8 = 0 THEN 'm.room.member' WHEN n % 30 = 1 THEN 'm.room.redaction' WHEN n % 9 = 2 THEN 'm.reaction'
            WHEN n % 40 = 3 THEN 'm.room.power_levels' ELSE 'm.room.encrypted' END,
       '!' || substr(md5((n % 1000)::text), 1, 18) || ':example.org', true, n % 5000 = 0 AND n % 10000 <> 0, n, 1700000000000 + n,
       1700000000000 + n, '@user' || n % 20000 || ':example.org', false,
       CASE WHEN hashint8(n) % 2 = 0 THEN 'persister1' ELSE 'persister2' END, n
FROM generate_series(1, :events::bigint) AS n;
INSERT INTO state_events (event_id, room_id, type, state_key)
SELECT event_id, room_id, type, CASE type WHEN 'm.room.member' THEN sender ELSE '' END FROM events
WHERE type IN ('m.room.member', 'm.room.power_levels');
INSERT INTO room_memberships (event_id, user_id, sender, room_id, membership)
SELECT event_id, sender, sender, room_id, CASE WHEN stream_ordering % 3 = 0 THEN 'leave' ELSE 'join' END FROM events
WHERE type = 'm.room.member';
INSERT INTO redactions (event_id, redacts)
SELECT e.event_id, r.event_id FROM events AS e JOIN events AS r ON r.stream_ordering = e.stream_ordering - 1
WHERE e.type = 'm.room.redaction';
INSERT INTO event_relations (event_id, relates_to_id, relation_type, aggregation_key)
SELECT e.event_id, r.event_id, 'm.annotation', 'x' FROM events AS e
JOIN events AS r ON r.stream_ordering = e.stream_ordering - 2 WHERE e.type = 'm.reaction';
INSERT INTO rejections (event_id, reason, last_check)
SELECT event_id, 'auth_error', '' FROM events WHERE stream_ordering % 9000 = 0;
INSERT INTO ex_outlier_stream (event_stream_ordering, event_id, state_group, instance_name)
SELECT :events::bigint + stream_ordering / 5000, event_id, 1, instance_name FROM events
WHERE stream_ordering % 10000 = 0;
