"""The page on the cache: hits and their usage, switching tiers off, a cache with a key of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dspex.lm import caching
from tests.docs_pages.page import model, run_page


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    yield
    caching.use(None)


CELLS = r"""
import dspex as dspy

dspy.configure(lm=dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none"), track_usage=True)
dspy.configure_cache(disk_cache_dir=FOLDER)
predict = dspy.Predict("ticket -> reply")
# %%
dspy.configure_cache(disk_cache_dir=FOLDER)
before = server.hits
first = predict(ticket="Who answers invoices?")
again = predict(ticket="Who answers invoices?")
assert first == again and server.hits <= before + 1
assert again.get_lm_usage() == {}
# %%
lm = dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache_control_injection_points=[{"location": "message", "role": "system"}])
assert lm.kwargs["cache_control_injection_points"]
# %%
dspy.configure_cache(restrict_pickle=True, safe_types=[dict], disk_cache_dir=FOLDER)
# %%
dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)
before = server.hits
predict(ticket="never kept")
predict(ticket="never kept")
assert server.hits == before + 2
# %%
dspy.configure_cache(
    enable_disk_cache=True, enable_memory_cache=True, disk_cache_dir=FOLDER, disk_size_limit_bytes=10_000_000,
    memory_max_entries=1000,
)
# %%
from hashlib import sha256
import json

class ByMessages(dspy.clients.Cache):
    def cache_key(self, request, ignored_args_for_cache_key=None):
        return sha256(json.dumps(request.get("messages", []), sort_keys=True).encode()).hexdigest()

assert dspy.clients.DISK_CACHE_DIR
dspy.cache = ByMessages(enable_disk_cache=False, enable_memory_cache=True)
before = server.hits
one = predict(ticket="Who answers wishes?")
with dspy.context(lm=dspy.LM("openai/gpt-4.1-mini", api_base=URL, api_key="none")):
    two = predict(ticket="Who answers wishes?")
assert one == two and server.hits == before + 1
# %%
dspy.cache.reset_memory_cache()
assert len(dspy.cache.memory_cache) == 0
# %%
dspy.configure_cache(enable_disk_cache=False)
lm = dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", temperature=1.0)
rolls = [dspy.Predict("ticket -> reply", rollout_id=k) for k in (1, 2)]
with dspy.context(lm=lm):
    before = server.hits
    for roll in rolls:
        roll(ticket="rolled")
        roll(ticket="rolled")
assert server.hits == before + 2
# %%
lm = dspy.LM("openai/gpt-4o-mini", api_base=URL, api_key="none", cache=False)
before = server.hits
lm("same"), lm("same")
assert server.hits == before + 2
"""


def test_the_page_on_the_cache(tmp_path: Path) -> None:
    """Every cell runs, and runs again."""
    with model() as server:
        run_page(CELLS, server, FOLDER=str(tmp_path))
