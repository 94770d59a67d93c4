"""Python runs this at the start of every process of a desk under test, the children of its web server among them."""

import os
import traceback

names = [name for name in os.environ.get("DESK_FAULTS_WITHOUT", "").split(",") if name]
if names:
    try:
        import desk.wiring  # noqa: F401 - in the order in which a desk loads itself
        from tests.faults.guards import GUARDS

        for name in names:
            GUARDS[name].take_out()
    except BaseException:  # noqa: BLE001 - Python itself would go on, with the guard in place
        traceback.print_exc()
        os._exit(70)
