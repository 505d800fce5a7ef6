"""${message}.

What the code now running sees of it: say here why it goes on working.
"""

from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

UP = """
"""


def upgrade() -> None:
    """Apply the step."""
    op.execute(UP)
