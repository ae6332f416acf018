"""A page in headless Chromium with the network off, driven over its debugging protocol. One may ask a server of this machine."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request

try:
    import websocket  # comes with Jupyter
except ImportError:
    websocket = None

PROGRAM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
KEYS = {"Enter": ("Enter", 13), "Escape": ("Escape", 27), "Tab": ("Tab", 9), "End": ("End", 35), "ArrowDown": ("ArrowDown", 40),
        "ArrowUp": ("ArrowUp", 38), "Shift": ("ShiftLeft", 16)}
MISSING = None if PROGRAM and websocket else "no Chromium on this machine (Debian's package `chromium`)"


class Page:
    """One page; `problems` gathers errors of the console and requests that leave the folder, or this machine."""

    def __init__(self, asks_server=False):
        self.own = ("http://127.0.0.1", "http://localhost", "ws://") if asks_server else ()
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                   "--remote-allow-origins=*", f"--user-data-dir={self.folder.name}",
                   "--proxy-server=127.0.0.1:9", *([] if asks_server else ["--proxy-bypass-list=<-loopback>"])]
        self.process = subprocess.Popen([PROGRAM, *options, "about:blank"], stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True)
        line = next(line for line in self.process.stderr if "DevTools listening on" in line)
        port = line.split("127.0.0.1:")[1].split("/")[0]
        targets = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=30))
        target = next(target for target in targets if target["type"] == "page")
        self.socket = websocket.create_connection(target["webSocketDebuggerUrl"], timeout=60)
        self.number = 0
        self.events = []
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")
        if not asks_server:
            self.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        # a page without focus has no current widget in JupyterLab
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.size(1280, 800)

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stderr.close()
        self.folder.cleanup()

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)
            if message.get("params", {}).get("type") == "beforeunload":
                self.number += 1
                accept = {"id": self.number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                self.socket.send(json.dumps(accept))

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 500)

    def scripts(self, are_on):
        self.call("Emulation.setScriptExecutionDisabled", value=not are_on)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def open(self, path, anchor=""):
        # from another page, so that an anchor alone loads it anew too
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri() + anchor)
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def visit(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)

    def press(self, key, *modifiers):
        """One key, such as `Enter` or `c`, with `Shift` or `Control` held."""
        held = sum({"Alt": 1, "Control": 2, "Shift": 8}[modifier] for modifier in modifiers)
        code, number = KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0])))
        text = {"Enter": "\r", "Tab": "", "Escape": ""}.get(key, key) if "Control" not in modifiers and len(key) == 1 or key == "Enter" else ""
        for kind in ["keyDown" if text else "rawKeyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number, modifiers=held,
                      **({"text": text} if text and kind != "keyUp" else {}))

    def type(self, text):
        self.call("Input.insertText", text=text)

    def js(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {json.dumps(result['exceptionDetails'])[:600]}")
        return result["result"].get("value")

    def holds(self, expression):
        """Whether it is true now; of a page that is just being left it is not."""
        try:
            return self.js(f"Boolean({expression})")
        except RuntimeError as error:
            if "Inspected target navigated" not in str(error):
                raise
            return False

    def until(self, expression, limit_s=30):
        end = time.monotonic() + limit_s
        while not self.holds(expression):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {expression}; problems: {self.problems()}")
            time.sleep(0.05)

    def mouse(self, kind, x, y, button="none"):
        pressed = int(button == "left" and kind != "mouseReleased")
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=pressed,
                  clickCount=int(kind != "mouseMoved"))

    def problems(self):
        found = []
        for event in self.events:
            method, parameters = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"])[:400])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
                found.append(json.dumps(parameters["args"])[:400])
            elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                found.append(json.dumps(parameters["entry"])[:400])
            elif method == "Page.javascriptDialogOpening":
                found.append(f"a dialog: {parameters['message']}")
            elif method == "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith(("file:", "data:", "blob:", "about:", *self.own)):
                    found.append(f"a request of {url}")
        return found
