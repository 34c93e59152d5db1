"""Nothing that a test or an example does is left in the user's own folders."""

from __future__ import annotations

import os
import tempfile

os.environ["NBEXEC_STATE_DIR"] = tempfile.mkdtemp(prefix="nbexec-state-")
