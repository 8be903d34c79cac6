"""Pages in headless Chromium: opened, acted upon by a script, their console read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CALM = "--force-prefers-reduced-motion"


def visit(address: str, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """Opens an address; the document after its scripts have run, and the console's lines."""
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={profile}", "--enable-logging=stderr", "--virtual-time-budget=3000"),
        *(*flags, "--window-size=1280,1600", "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


def act(page: Path, script: str, folder: Path, *flags: str) -> dict[str, Any]:
    """Runs a script in a copy of the page after its start; what it put into `seen`."""
    done = (
        "<script>addEventListener('DOMContentLoaded', async () => { const seen = {};"
        "const canvas = document.querySelector('canvas');"
        "const key = (k) => canvas.dispatchEvent("
        "new KeyboardEvent('keydown', {key: k, bubbles: true, cancelable: true}));"
        "const path = () => [...document.querySelectorAll('.crumbs li')].map(n => n.textContent);"
        "const detail = () => document.querySelector('.detail').textContent;"
        "const wait = (ms) => new Promise(r => setTimeout(r, ms));"
        f"{script}; document.title = JSON.stringify(seen); }});</script></body>"
    )
    copy = folder / "acted.html"
    copy.write_text(page.read_text().replace("</body>", done))
    dom, console = visit(copy.as_uri(), folder / "profile", *flags)
    assert console == []
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    return json.loads(title[1])


def narrow(page: Path, width: int, script: str, folder: Path) -> dict[str, Any]:
    """Runs a script in a copy of the page in a frame so many pixels wide; what it put into `seen`.

    A window of headless Chromium has 500 pixels at least; a frame in it may have fewer, and media
    queries heed it.
    """
    inner = (
        "<script>addEventListener('load', async () => { const seen = {};"
        "const wait = (ms) => new Promise(r => setTimeout(r, ms));"
        f"{script}; parent.postMessage(JSON.stringify(seen), '*'); }});</script></body>"
    )
    copy, frame = folder / "inner.html", folder / "frame.html"
    copy.write_text(page.read_text().replace("</body>", inner))
    frame.write_text(
        f'<title></title><body><iframe src="{copy.as_uri()}" width="{width}" height="800"'
        ' style="border:0"></iframe><script>addEventListener("message",'
        " (event) => { document.title = event.data; })</script></body>"
    )
    dom, console = visit(frame.as_uri(), folder / "profile", CALM)
    assert console == []
    title = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert title is not None
    return json.loads(title[1])
