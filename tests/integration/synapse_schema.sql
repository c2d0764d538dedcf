-- The tables of Synapse's database that Weir reads, with every column, key and index that they have in schema version 72
-- (Synapse 1.67), for the tests and benches. Later versions add columns that Weir does not name.

CREATE TABLE current_state_events (
    event_id text NOT NULL,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    membership text
);
CREATE TABLE event_json (
    event_id text NOT NULL,
    room_id text NOT NULL,
    internal_metadata text NOT NULL,
    json text NOT NULL,
    format_version integer
);
CREATE TABLE event_relations (
    event_id text NOT NULL,
    relates_to_id text NOT NULL,
    relation_type text NOT NULL,
    aggregation_key text
);
CREATE TABLE events (
    topological_ordering bigint NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    room_id text NOT NULL,
    content text,
    unrecognized_keys text,
    processed boolean NOT NULL,
    outlier boolean NOT NULL,
    depth bigint DEFAULT 0 NOT NULL,
    origin_server_ts bigint,
    received_ts bigint,
    sender text,
    contains_url boolean,
    instance_name text,
    stream_ordering bigint,
    state_key text,
    rejection_reason text
);
CREATE TABLE ex_outlier_stream (
    event_stream_ordering bigint NOT NULL,
    event_id text NOT NULL,
    state_group bigint NOT NULL,
    instance_name text
);
CREATE TABLE redactions (
    event_id text NOT NULL,
    redacts text NOT NULL,
    have_censored boolean DEFAULT false NOT NULL,
    received_ts bigint
);
CREATE TABLE rejections (
    event_id text NOT NULL,
    reason text NOT NULL,
    last_check text NOT NULL
);
CREATE TABLE room_memberships (
    event_id text NOT NULL,
    user_id text NOT NULL,
    sender text NOT NULL,
    room_id text NOT NULL,
    membership text NOT NULL,
    forgotten integer DEFAULT 0,
    display_name text,
    avatar_url text
);
CREATE TABLE rooms (
    room_id text NOT NULL,
    is_public boolean,
    creator text,
    room_version text,
    has_auth_chain_index boolean
);
CREATE TABLE state_events (
    event_id text NOT NULL,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    prev_state text
);
CREATE TABLE stream_positions (
    stream_name text NOT NULL,
    instance_name text NOT NULL,
    stream_id bigint NOT NULL
);

ALTER TABLE current_state_events ADD CONSTRAINT current_state_events_event_id_key UNIQUE (event_id);
ALTER TABLE current_state_events ADD CONSTRAINT current_state_events_room_id_type_state_key_key UNIQUE (room_id, type, state_key);
ALTER TABLE event_json ADD CONSTRAINT event_json_event_id_key UNIQUE (event_id);
ALTER TABLE events ADD CONSTRAINT events_event_id_key UNIQUE (event_id);
ALTER TABLE ex_outlier_stream ADD CONSTRAINT ex_outlier_stream_pkey PRIMARY KEY (event_stream_ordering);
ALTER TABLE redactions ADD CONSTRAINT redactions_event_id_key UNIQUE (event_id);
ALTER TABLE rejections ADD CONSTRAINT rejections_event_id_key UNIQUE (event_id);
ALTER TABLE room_memberships ADD CONSTRAINT room_memberships_event_id_key UNIQUE (event_id);
ALTER TABLE rooms ADD CONSTRAINT rooms_pkey PRIMARY KEY (room_id);
ALTER TABLE state_events ADD CONSTRAINT state_events_event_id_key UNIQUE (event_id);

CREATE INDEX event_contains_url_index ON events (room_id, topological_ordering, stream_ordering) WHERE ((contains_url = true) AND (outlier = false));
CREATE INDEX current_state_events_member_index ON current_state_events (state_key) WHERE (type = 'm.room.member'::text);
CREATE UNIQUE INDEX event_relations_id ON event_relations (event_id);
CREATE INDEX event_relations_relates ON event_relations (relates_to_id, relation_type, aggregation_key);
CREATE INDEX events_order_room ON events (room_id, topological_ordering, stream_ordering);
CREATE INDEX events_room_stream ON events (room_id, stream_ordering);
CREATE UNIQUE INDEX events_stream_ordering ON events (stream_ordering);
CREATE INDEX events_ts ON events (origin_server_ts, stream_ordering);
CREATE INDEX redactions_have_censored_ts ON redactions (received_ts) WHERE (NOT have_censored);
CREATE INDEX redactions_redacts ON redactions (redacts);
CREATE INDEX room_memberships_room_id ON room_memberships (room_id);
CREATE INDEX room_memberships_user_id ON room_memberships (user_id);
CREATE INDEX room_memberships_user_room_forgotten ON room_memberships (user_id, room_id) WHERE (forgotten = 1);
CREATE UNIQUE INDEX stream_positions_idx ON stream_positions (stream_name, instance_name);
