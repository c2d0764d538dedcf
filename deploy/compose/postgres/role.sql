-- What Weir may do in Synapse's database: read the contents of events, and what it needs to fetch missed ones.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'weir') THEN
        CREATE ROLE weir LOGIN PASSWORD 'weir';
    END IF;
END $$;
GRANT SELECT ON event_json, events, state_events, redactions, event_relations, room_memberships, rejections,
    ex_outlier_stream, stream_positions, current_state_events, rooms TO weir;
