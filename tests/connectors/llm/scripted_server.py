"""An OpenAI-compatible server on loopback that answers by script, good or bad.

    python -m tests.connectors.llm.scripted_server --port 9999 [--script steps.json]

Chat completions answer with the next step of the script and, when there is none, with a good completion: the
JSON object set by `answer`, or one made from the request's own schema. Embeddings are made from the text.
`POST /__script` takes a list of steps, `PUT /__answer` an object, `GET /__requests` lists what came in.

A step, also as JSON: {"status": 200, "json": {...} or "text": "...", "content": "words of the model",
"finish_reason": "stop", "usage": {...} or null, "headers": {...}, "delay": seconds, "drip": seconds per byte,
"reset": true}
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.loopback_server import serving

Step = Mapping[str, Any]
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def instance_of(schema: Mapping[str, Any], name: str = "text") -> Any:
    """A small value that fits a schema: the first of every choice, one element in every list."""
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return instance_of(schema["anyOf"][0], name)
    kind = schema.get("type", "string")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind == "object":
        return {key: instance_of(value, key) for key, value in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance_of(schema.get("items", {}), name)] * schema.get("minItems", 0)
    simple = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 0.5), "boolean": False, "null": None}
    return simple.get(kind, f"a {name} from the scripted server")


def vector_of(text: str, dimension: int) -> list[float]:
    digest = hashlib.shake_256(text.encode()).digest(dimension)
    return [(byte - 127.5) / 40 for byte in digest]


class ScriptedServer:
    def __init__(self, *steps: Step) -> None:
        self.steps: list[Step] = list(steps)
        self.answer: Mapping[str, Any] | None = None
        self.requests: list[dict[str, Any]] = []
        self.dimension = 8

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request["body"] for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        headers = dict(re.findall(r"^([^:\r\n]+): ?(.*?)\r$", head, re.MULTILINE))
        headers = {name.lower(): value for name, value in headers.items()}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        body = json.loads(raw) if raw else None
        if path.startswith("/__"):
            await self._send(writer, self._control(method, path, body))
            return
        self.requests.append({"method": method, "path": path, "headers": headers, "body": body})
        await self._send(writer, self.steps.pop(0) if self.steps else {}, path, body)

    def _control(self, method: str, path: str, body: Any) -> Step:
        if path == "/__script" and method == "POST":
            self.steps = list(body)
        elif path == "/__answer" and method == "PUT":
            self.answer = body
        return {"json": self.requests if path == "/__requests" else {"steps": len(self.steps)}}

    async def _send(self, writer: asyncio.StreamWriter, step: Step, path: str = "", body: Any = None) -> None:
        await asyncio.sleep(step.get("delay", 0))
        if step.get("reset"):
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        if "text" in step:
            payload, kind = str(step["text"]).encode(), "text/html"
        else:
            payload, kind = (
                json.dumps(step["json"] if "json" in step else self._good(step, path, body)).encode(),
                "application/json",
            )
        headers = {"content-type": kind, "content-length": str(len(payload)), "connection": "close"}
        headers |= {name.lower(): value for name, value in step.get("headers", {}).items()}
        lines = [f"HTTP/1.1 {step.get('status', 200)} Scripted", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        for piece in [payload[i : i + 1] for i in range(len(payload))] if "drip" in step else [payload]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(step.get("drip", 0))

    def _good(self, step: Step, path: str, body: Any) -> Any:
        if path.endswith("/embeddings"):
            texts: Sequence[str] = body["input"]
            dimension = body.get("dimensions", self.dimension)
            data = [{"index": i, "embedding": vector_of(text, dimension)} for i, text in enumerate(texts)]
            return {"object": "list", "model": body["model"], "data": data[::-1], "usage": USAGE}
        content = step.get("content", json.dumps(self.answer or self._instance(body)))
        message = {"role": "assistant", "content": content, "refusal": step.get("refusal")}
        choice = {"index": 0, "message": message, "finish_reason": step.get("finish_reason", "stop")}
        usage = step.get("usage", USAGE)
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }

    @staticmethod
    def _instance(body: Any) -> Any:
        given = (body.get("response_format") or {}).get("json_schema")
        if given:
            return instance_of(given["schema"])
        for message in body["messages"]:
            _, found, rest = message["content"].partition("JSON Schema:\n")
            if found:
                return instance_of(json.JSONDecoder().raw_decode(rest)[0])
        return {}


@asynccontextmanager
async def scripted_server(*steps: Step) -> AsyncIterator[tuple[ScriptedServer, str]]:
    """The server and its base URL, `http://127.0.0.1:port/v1`."""
    server = ScriptedServer(*steps)
    async with serving(server.serve) as port:
        yield server, f"http://127.0.0.1:{port}/v1"


async def run(port: int, steps: Sequence[Step]) -> None:
    async with serving(ScriptedServer(*steps).serve, port) as chosen_port:
        print(f"http://127.0.0.1:{chosen_port}/v1", flush=True)  # noqa: T201 - read by whoever started it
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path)
    chosen = parser.parse_args()
    asyncio.run(run(chosen.port, json.loads(chosen.script.read_text()) if chosen.script else []))
