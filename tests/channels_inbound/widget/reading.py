"""The widget as somebody in front of a browser sees it."""

from playwright.sync_api import Locator, Page

from agents.models import Conversation, Message

TITLE = "Chat with us"
# Colour and background of every text that can be seen, with the contrast between them.
CONTRASTS = """() => {
  const light = (parts) => parts.map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parts(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const root = document.querySelector("[data-chatzuri]").shadowRoot;
  const found = {};
  for (const element of root.querySelectorAll("h2, .said, .foot, .note, textarea, time, .retry, a, button")) {
    if (!element.getClientRects().length) continue;
    const [one, other] = [light(parts(getComputedStyle(element).color).slice(0, 3)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const name = element.className || element.localName;
    found[name] = Math.min(found[name] || 21, contrast);
  }
  return found;
}"""


def button(page: Page) -> Locator:
    return page.get_by_role("button", name=TITLE)


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def reply(text: str, role: str = "agent") -> Message:
    return Conversation.objects.get(state="open").say(role=role, text=text)
