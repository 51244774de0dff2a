"""verify.py of argv[1] over the messages of argv[2]."""

import base64
import importlib.util
import os
import pathlib
import sys

spec = importlib.util.spec_from_file_location("snippet", sys.argv[1])
snippet = importlib.util.module_from_spec(spec)
spec.loader.exec_module(snippet)
for line in pathlib.Path(sys.argv[2]).read_text(encoding="utf-8").splitlines():
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    *values, body = line.split("\t")
    headers = dict(zip(names, values, strict=True))
    print(int(snippet.verify(headers, base64.b64decode(body), os.environ["WEBHOOK_SECRET"])))
