"""All checks in the order in which one depends on another. Changes nothing."""

from __future__ import annotations

from functools import partial

from desk.db.roles import DatabaseAddress
from desk.doctor import database as schema
from desk.doctor import surroundings, work
from desk.doctor.findings import Finding, guarded
from desk.installation import Installation


async def examine(installation: Installation, address: DatabaseAddress) -> list[Finding]:
    """Stops where nothing further can be found out: without a database, or without its newest schema."""
    database = installation.database
    findings = [await guarded("database", partial(schema.reachable, address))]
    if findings[-1].ok:
        findings.append(await guarded("migrations", partial(schema.migrated, address, database)))
    findings.append(await guarded("disk", partial(surroundings.disk, installation)))
    findings.append(await guarded("storage", partial(surroundings.storage, installation)))
    if not all(finding.ok for finding in findings[:2]):
        return findings
    checks = {
        "isolation": partial(schema.isolated, database),
        "keys": partial(schema.keys_open, database),
        "clock": partial(schema.clocks_agree, database),
        "queue": partial(work.queue, installation),
        "worker": partial(work.worker, database),
        "work due": partial(work.waiting, database),
        "stuck work": partial(work.stuck, database),
        "indexes": partial(surroundings.indexes, installation),
        "index files": partial(surroundings.index_files, installation),
        "channels": partial(surroundings.channels, installation),
        "websites": partial(surroundings.websites, database),
        "language model": partial(surroundings.language_models, installation),
    }
    return findings + [await guarded(name, check) for name, check in checks.items()]
