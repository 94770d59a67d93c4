"""Knowledge: documents in, and the indexes built again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from desk.cli.connecting import run_with_installation
from desk.cli.printing import print_json, progress_bar

if TYPE_CHECKING:
    from desk.ingest import IngestResult
    from desk.installation import Installation
    from desk.websites.sites import WebsiteChoices


def _check_tenant(slug: str | None, *, is_global: bool) -> None:
    if (slug is None) != is_global:
        msg = "give either --tenant SLUG or --global"
        raise click.UsageError(msg)


async def _tenant_id(installation: Installation, slug: str | None) -> UUID:
    from desk.accounts.tenants import tenant_by_slug
    from desk.models import GLOBAL_TENANT_ID

    return GLOBAL_TENANT_ID if slug is None else await tenant_by_slug(installation.database, slug)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH ...")
@click.option("--tenant", "slug", help="Slug of the tenant that may use it.")
@click.option("--global", "is_global", is_flag=True, help="For all tenants.")
@click.option("--category", default="", help="Category of the documents, such as billing.")
@click.option("--site", "is_site", is_flag=True, help="Of a URL: the whole site, by its sitemap and its links.")
@click.option("--depth", type=int, help="Links to follow from the first page of a site; 3 when left out.")
@click.option("--pages", "most_pages", type=int, help="Most pages of a site; 200 when left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ingest(
    paths: tuple[str, ...],
    slug: str | None,
    category: str,
    depth: int | None,
    most_pages: int | None,
    *,
    is_global: bool,
    is_site: bool,
    as_json: bool,
) -> None:
    """Take files, folders and web pages into the knowledge base: PDF, Word, PowerPoint, OpenDocument, HTML, Markdown,
    text, e-mail, CSV of FAQs, and ZIP archives of these; https addresses are fetched.

    A file or page that was taken in before becomes a new version of its document; unchanged it stays as it is.
    """
    from desk.websites.sites import WebsiteChoices

    _check_tenant(slug, is_global=is_global)
    addresses = [path for path in paths if path.startswith(_WEB)]
    files, left_out = _discover([path for path in paths if not path.startswith(_WEB)])
    choices = WebsiteChoices("site" if is_site else None, None, most_pages, depth, category or None)
    results = [_as_json(one) for one in run_with_installation(_ingesting(files, addresses, slug, category, choices))]
    results += [{"path": str(path), "result": "refused", "chunks": 0, "reason": reason} for path, reason in left_out]
    if as_json:
        print_json(
            {
                "indexed": sum(one["result"] == "indexed" for one in results),
                "refused": sum(one["result"] == "refused" for one in results),
                "chunks": sum(one["chunks"] for one in results),
                "results": results,
            }
        )
        return
    for one in results:
        told = f"indexed, {one['chunks']} chunks" if one["result"] == "indexed" else f"refused: {one['reason']}"
        click.echo(f"{one['path']}: {told}")
        for remark in one.get("remarks", ()):
            click.echo(f"  {remark}")


_WEB = ("http://", "https://")


def _discover(paths: Sequence[str]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The files to take in, and files in the folders that cannot be read. Raises InvalidInputError."""
    from desk.command_wiring import find_documents

    skipped: list[tuple[Path, str]] = []
    files = list(find_documents([Path(path) for path in paths], lambda path, why: skipped.append((path, why))))
    taken = {path.resolve() for path in files}
    return files, [(path, reason) for path, reason in skipped if _is_left_out(path, taken)]


def _is_left_out(path: Path, taken: set[Path]) -> bool:
    """Whether a person would miss it: not hidden files, folders, or files that are read by another name."""
    if path.name.startswith(".") or path.resolve() in taken:
        return False
    with suppress(OSError):
        return path.is_file()
    return False


def _ingesting(
    files: list[Path], addresses: list[str], slug: str | None, category: str, choices: WebsiteChoices
) -> Any:
    async def work(installation: Installation) -> list[IngestResult]:
        from desk.db.tenancy import Scope
        from desk.ingest import Ingestion

        results: list[IngestResult] = []
        scope = Scope(await _tenant_id(installation, slug))
        with progress_bar() as bar:
            task = bar.add_task("Indexing", total=len(files) + len(addresses))

            def told(result: IngestResult) -> None:
                results.append(result)
                bar.update(task, advance=1, total=max(len(files), len(results)))

            ingestion = Ingestion(installation, scope, told)
            await ingestion.add_files(files, category)
            for address in addresses:
                await ingestion.add_website(address, choices)
        return results

    return work


def _as_json(result: IngestResult) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": result.name, "result": result.result, "chunks": result.chunks}
    if result.reason:
        shown["reason"] = result.reason
    if result.remarks:
        shown["remarks"] = list(result.remarks)
    if result.document_id is not None:
        shown |= {"document_id": str(result.document_id), "version": result.version}
    return shown


@click.command()
@click.option("--tenant", "slug", help="Slug of the tenant.")
@click.option("--global", "is_global", is_flag=True, help="The global knowledge.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reindex(slug: str | None, *, is_global: bool, as_json: bool) -> None:
    """Read and embed everything of a tenant anew, then check its indexes against what is stored."""
    _check_tenant(slug, is_global=is_global)

    async def work(installation: Installation) -> dict[str, Any]:
        from desk.command_wiring import check_indexes, embed_learned_anew
        from desk.db.tenancy import Scope
        from desk.ingest import Ingestion

        tenant_id = await _tenant_id(installation, slug)
        results: list[IngestResult] = []
        with progress_bar() as bar:
            task = bar.add_task("Documents", total=None)

            def told(result: IngestResult) -> None:
                results.append(result)
                bar.advance(task)

            await Ingestion(installation, Scope(tenant_id), told).index_again()
            bar.update(task, description="Approved answers and corrections")
            learned = await embed_learned_anew(installation, tenant_id)
            bar.update(task, description="Checking")
            checked = await check_indexes(installation, tenant_id)
        return {
            "documents": sum(one.result == "indexed" for one in results),
            "refused": [_as_json(one) for one in results if one.result == "refused"],
            "chunks": sum(one.chunks for one in results),
            "examples_and_corrections": learned,
            "items": checked.items,
            "problems": checked.problems(),
        }

    report = run_with_installation(work)
    if as_json:
        print_json(report)
    else:
        click.echo(
            f"{report['documents']} documents in {report['chunks']} chunks, {report['examples_and_corrections']} "
            f"approved answers and corrections; {report['items']} items can be found."
        )
        for one in report["refused"]:
            click.echo(f"{one['path']}: refused: {one['reason']}")
        for problem in report["problems"]:
            click.echo(f"Problem: {problem}", err=True)
    sys.exit(1 if report["problems"] else 0)
