"""People: users, profiles, logins and their refresh tokens; modes and rooms; the audit log."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = """
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('guest', 'account')),
    username      text CHECK (char_length(username) <= 24),
    username_key  text UNIQUE CHECK (char_length(username_key) <= 96),
    password_hash text CHECK (char_length(password_hash) <= 255),
    roles         text[] NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    disabled_at   timestamptz,
    CHECK ((kind = 'account') = (username IS NOT NULL)),
    CHECK ((username IS NULL) = (username_key IS NULL)),
    CHECK ((username IS NULL) = (password_hash IS NULL))
);
COMMENT ON COLUMN users.username_key IS 'how the name is compared: see httpapi.services.names.username_key';

CREATE TABLE user_profiles (
    user_id    uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 24),
    avatar     text NOT NULL CHECK (char_length(avatar) BETWEEN 1 AND 24),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE logins (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    client     text NOT NULL CHECK (client IN ('browser', 'bot')),
    csrf       text CHECK (char_length(csrf) = 43),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    end_reason text CHECK (end_reason IN ('logout', 'reuse', 'password', 'upgrade', 'disabled')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CHECK ((client = 'browser') = (csrf IS NOT NULL))
);
COMMENT ON TABLE logins IS 'one authenticated session (sid): the family of its refresh tokens';
CREATE INDEX logins_of_user ON logins (user_id) WHERE ended_at IS NULL;
CREATE INDEX logins_by_expiry ON logins (expires_at);

CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    login_id   uuid NOT NULL REFERENCES logins ON DELETE CASCADE,
    parent     bytea CHECK (octet_length(parent) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    used_by    bytea CHECK (octet_length(used_by) = 32),
    salt       bytea CHECK (octet_length(salt) = 32),
    CHECK ((used_at IS NULL) = (used_by IS NULL) AND (used_at IS NULL) = (salt IS NULL))
);
COMMENT ON COLUMN refresh_tokens.hash IS 'SHA-256 of the token';
COMMENT ON COLUMN refresh_tokens.salt IS 'successor = HMAC-SHA256(token, salt): told again in the grace, never stored';
COMMENT ON COLUMN refresh_tokens.used_by IS 'SHA-256 over what identifies the client that used it';
CREATE INDEX refresh_tokens_of_login ON refresh_tokens (login_id);

CREATE TABLE game_modes (
    id         text PRIMARY KEY CHECK (char_length(id) <= 48),
    title      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE game_modes IS 'written by httpapi.migrate from the registry of modes';

CREATE TABLE game_rooms (
    id         uuid PRIMARY KEY,
    code       text NOT NULL CHECK (char_length(code) <= 12),
    mode       text NOT NULL REFERENCES game_modes,
    host_id    uuid REFERENCES users ON DELETE SET NULL,
    title      text NOT NULL DEFAULT '' CHECK (char_length(title) <= 60),
    public     boolean NOT NULL,
    settings   jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE game_rooms IS 'every room ever made; a code is used again later: the newest row is meant';
CREATE INDEX game_rooms_by_code ON game_rooms (code, created_at DESC);
CREATE INDEX game_rooms_of_host ON game_rooms (host_id, created_at DESC);

CREATE TABLE game_participants (
    room_id    uuid NOT NULL REFERENCES game_rooms ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role       text NOT NULL CHECK (role IN ('player', 'watcher', 'screen')),
    first_at   timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id, role)
);
COMMENT ON TABLE game_participants IS 'who was given a ticket to the room';
CREATE INDEX game_participants_of_user ON game_participants (user_id, last_at DESC);

CREATE TABLE audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   uuid,
    action  text NOT NULL CHECK (char_length(action) <= 64),
    subject text NOT NULL DEFAULT '',
    detail  jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON COLUMN audit_log.actor IS 'who did it; NULL: the operator, at the machine';
CREATE INDEX audit_log_by_subject ON audit_log (subject, at DESC);
CREATE INDEX audit_log_by_time ON audit_log (at DESC);
"""


def upgrade() -> None:
    """Apply the step."""
    op.execute(UP)
