"""Content: where it comes from, categories, trivia questions with their answers, and what players report.

Nothing that ran before knows these tables.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE content_sources (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 120),
    licence    text NOT NULL CHECK (char_length(licence) BETWEEN 1 AND 120),
    url        text NOT NULL DEFAULT '' CHECK (char_length(url) <= 200),
    credit     text NOT NULL DEFAULT '' CHECK (char_length(credit) <= 200),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN content_sources.credit IS 'shown with the answer of each of its questions, where the licence asks so';

CREATE TABLE content_versions (
    kind    text PRIMARY KEY,
    version bigint NOT NULL DEFAULT 1
);
COMMENT ON TABLE content_versions IS 'raised by whatever changes what rooms may draw: who keeps a list looks here';
INSERT INTO content_versions (kind) VALUES ('trivia');

CREATE TABLE categories (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       text NOT NULL UNIQUE CHECK (char_length(slug) BETWEEN 1 AND 48),
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE trivia_questions (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    category_id integer NOT NULL REFERENCES categories,
    source_id   integer NOT NULL REFERENCES content_sources,
    ref         text NOT NULL CHECK (char_length(ref) BETWEEN 1 AND 80),
    source_hash bytea NOT NULL CHECK (octet_length(source_hash) = 32),
    kind        text NOT NULL CHECK (kind IN ('choice', 'boolean')),
    difficulty  text NOT NULL CHECK (difficulty IN ('easy', 'medium', 'hard')),
    text        text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 500),
    explanation text NOT NULL DEFAULT '' CHECK (char_length(explanation) <= 400),
    fingerprint bytea NOT NULL UNIQUE CHECK (octet_length(fingerprint) = 32),
    is_approved boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_id, ref)
);
COMMENT ON COLUMN trivia_questions.ref IS 'the source''s own name for it, or one made from its text as first imported';
COMMENT ON COLUMN trivia_questions.source_hash IS
  'of the question as imported: what was edited here since stays so until the source changes it';
COMMENT ON COLUMN trivia_questions.fingerprint IS 'SHA-256 of the folded text: see httpapi.content.text.fingerprint';
CREATE INDEX trivia_questions_by_category ON trivia_questions (category_id, is_approved);

CREATE TABLE trivia_answers (
    question_id uuid NOT NULL REFERENCES trivia_questions ON DELETE CASCADE,
    position    smallint NOT NULL CHECK (position BETWEEN 0 AND 5),
    text        text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 200),
    is_right    boolean NOT NULL,
    PRIMARY KEY (question_id, position),
    UNIQUE (question_id, text)
);
CREATE UNIQUE INDEX trivia_answers_one_right ON trivia_answers (question_id) WHERE is_right;

CREATE TABLE question_reports (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    question_id uuid NOT NULL REFERENCES trivia_questions ON DELETE CASCADE,
    user_id     uuid REFERENCES users ON DELETE SET NULL,
    reason      text NOT NULL CHECK (reason IN ('wrong', 'unclear', 'out_of_date', 'offensive')),
    note        text NOT NULL DEFAULT '' CHECK (char_length(note) <= 500),
    created_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    UNIQUE (question_id, user_id)
);
CREATE INDEX question_reports_open ON question_reports (created_at) WHERE resolved_at IS NULL;
"""


def upgrade() -> None:
    """Apply the step."""
    op.execute(UP)
