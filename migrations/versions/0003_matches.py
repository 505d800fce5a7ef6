"""Matches: what was played, each player's part in it, what could not be recorded, and what a user saw last.

Nothing that ran before knows these tables.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE matches (
    id            text PRIMARY KEY CHECK (char_length(id) BETWEEN 1 AND 64),
    recorded_no   bigint NOT NULL UNIQUE,
    digest        bytea NOT NULL CHECK (octet_length(digest) BETWEEN 1 AND 64),
    code          text NOT NULL CHECK (char_length(code) <= 12),
    mode          text NOT NULL CHECK (char_length(mode) <= 48),
    number        integer NOT NULL,
    rules_version integer NOT NULL,
    settings      jsonb NOT NULL,
    rated         boolean NOT NULL,
    abandoned     boolean NOT NULL,
    started_at    timestamptz NOT NULL,
    started_ms    bigint NOT NULL,
    ended_ms      bigint NOT NULL,
    seed          bytea NOT NULL,
    salt          bytea NOT NULL,
    commitment    bytea NOT NULL,
    content       jsonb NOT NULL,
    log           bytea NOT NULL,
    crowd         bytea,
    recorded_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN matches.recorded_no IS 'the order in which ratings are computed: 1, 2, 3 … without gaps';
COMMENT ON COLUMN matches.digest IS 'BLAKE2b-256 over the result as the room told it';
COMMENT ON COLUMN matches.started_ms IS 'room clock, as ended_ms';
COMMENT ON COLUMN matches.log IS 'all inputs, compressed, with seat numbers only; empty: it grew beyond its limit';
COMMENT ON COLUMN matches.crowd IS 'the crowd''s stream as told, compressed; NULL: not kept';
ALTER TABLE matches ALTER COLUMN log SET STORAGE EXTERNAL, ALTER COLUMN crowd SET STORAGE EXTERNAL;
CREATE INDEX matches_by_code ON matches (code, recorded_no DESC);

CREATE TABLE recording (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    last_no  bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE recording IS 'locked by whoever records a match, so that recorded_no has no gaps';
INSERT INTO recording DEFAULT VALUES;

CREATE TABLE game_sessions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    match_id    text NOT NULL REFERENCES matches ON DELETE CASCADE,
    seat        integer NOT NULL,
    user_id     uuid REFERENCES users ON DELETE SET NULL,
    name        text NOT NULL CHECK (char_length(name) <= 64),
    mode        text NOT NULL CHECK (char_length(mode) <= 48),
    completed   boolean NOT NULL,
    rank        integer NOT NULL,
    score       bigint NOT NULL,
    correct     integer NOT NULL,
    answered    integer NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    UNIQUE (match_id, seat)
);
COMMENT ON TABLE game_sessions IS 'one player''s part in one match; the only place that joins a seat to a user';
COMMENT ON COLUMN game_sessions.name IS 'as shown during the match';
CREATE INDEX game_sessions_of_user ON game_sessions (user_id, completed, started_at DESC);
CREATE INDEX game_sessions_of_user_by_id ON game_sessions (user_id, id DESC);

CREATE TABLE user_answers (
    session_id  bigint NOT NULL REFERENCES game_sessions ON DELETE CASCADE,
    place       integer NOT NULL,
    number      integer,
    question_id uuid REFERENCES trivia_questions ON DELETE SET NULL,
    option      integer,
    correct     boolean,
    taken_ms    bigint,
    points      integer,
    facts       jsonb,
    PRIMARY KEY (session_id, place)
);
COMMENT ON COLUMN user_answers.place IS 'among the facts the mode told of this player, from 0';
COMMENT ON COLUMN user_answers.number IS 'which question of the match, from 0';
COMMENT ON COLUMN user_answers.facts IS 'what the mode told besides';
CREATE INDEX user_answers_of_question ON user_answers (question_id) WHERE question_id IS NOT NULL;

CREATE TABLE user_statistics (
    user_id        uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    mode           text NOT NULL CHECK (char_length(mode) <= 48),
    played         bigint NOT NULL,
    completed      bigint NOT NULL,
    won            bigint NOT NULL,
    score_sum      bigint NOT NULL,
    score_best     bigint NOT NULL,
    correct        bigint NOT NULL,
    answered       bigint NOT NULL,
    last_played_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, mode)
);

CREATE TABLE user_seen (
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    kind      text NOT NULL CHECK (char_length(kind) <= 48),
    questions uuid[] NOT NULL CHECK (cardinality(questions) <= 500),
    seen_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, kind)
);
COMMENT ON COLUMN user_seen.questions IS 'what the user saw last, newest first';

CREATE TABLE result_failures (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    match_id     text CHECK (char_length(match_id) <= 200),
    reason       text NOT NULL CHECK (reason IN ('unreadable', 'differs', 'refused')),
    detail       text NOT NULL CHECK (char_length(detail) <= 500),
    payload      bytea NOT NULL,
    payload_hash bytea NOT NULL UNIQUE,
    failed_at    timestamptz NOT NULL DEFAULT now(),
    resolved_at  timestamptz
);
COMMENT ON TABLE result_failures IS 'results that could not be recorded, for a person to look at';
CREATE INDEX result_failures_open ON result_failures (failed_at) WHERE resolved_at IS NULL;
"""


def upgrade() -> None:
    """Apply the step."""
    op.execute(UP)
