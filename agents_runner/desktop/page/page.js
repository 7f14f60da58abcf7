// Shows a task's desktop. The address's fragment holds what opens it: #token=..., and view=1 for a first look only.
// The fragment stays in this browser; the token goes to the proxy as a WebSocket subprotocol.
const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token") || "";
const state = document.getElementById("state");
const viewOnly = document.getElementById("view-only");
const RETRY_MS = 1000;
let rfb = null;
let library = null;

document.body.classList.toggle("embedded", fragment.get("bar") === "0");
viewOnly.checked = fragment.get("view") === "1";

function say(text) {
    state.textContent = text;
    document.body.dataset.state = text;
}

async function allowed() {
    const answer = await fetch("check", { headers: { Authorization: "Bearer " + token } });
    return answer.status === 204;
}

async function connect() {
    try {
        if (!token || !(await allowed())) {
            say("This address does not open the desktop: its token is missing or wrong. "
                + "`agents-runner tasks desktop ID` prints the right one.");
            return;
        }
        // Another address at each try: a failed import is remembered by the browser.
        library ??= (await import("./novnc/core/rfb.js?" + Date.now())).default;
    } catch (error) {
        again("The desktop is not there (yet, or any more). Trying again ...");
        return;
    }
    const url = "ws://" + location.host + "/vnc";
    rfb = new library(document.getElementById("screen"), url, { wsProtocols: ["binary", "token." + token] });
    rfb.scaleViewport = true;
    rfb.viewOnly = viewOnly.checked;
    rfb.background = "#1b1f24";
    rfb.addEventListener("connect", () => { say("Connected"); rfb.focus(); });
    rfb.addEventListener("disconnect", () => again("Not connected. Trying again ..."));
    rfb.addEventListener("clipboard", (event) => navigator.clipboard?.writeText(event.detail.text).catch(() => {}));
}

function again(text) {
    rfb = null;
    say(text);
    setTimeout(connect, RETRY_MS);
}

viewOnly.addEventListener("change", () => { if (rfb) { rfb.viewOnly = viewOnly.checked; } });
document.getElementById("send").addEventListener("click", async () => {
    const text = await navigator.clipboard.readText().catch(() => "");
    if (rfb && text) { rfb.clipboardPasteFrom(text); rfb.focus(); }
});
connect();
