// The first configuration: an account, its key, and a client key. Who may see this is known by a code of the terminal, in the part of
// the address that is never sent.
const ZH = { "First configuration": "首次配置", "An account at a provider, tested before anything is written, and a key for your clients.": "一个上游账号（写入前先测试）和一把客户端密钥。", "Provider": "上游", "API key": "API 密钥", "Base URL, where the provider has none of its own": "Base URL（若该上游没有默认值）", "Name of the client key": "客户端密钥名称", "Ask the account before anything is written": "写入前测试账号", "Write it": "写入", "Written.": "已写入。", "The client key, shown only now:": "客户端密钥，仅此一次显示：", "Next:": "下一步：", "Open the link that the terminal shows; it works once.": "请打开终端显示的链接；仅能使用一次。", "No answer: is `weir init --web` still running?": "没有回答：`weir init --web` 还在运行吗？" };
const zh = navigator.language.startsWith("zh");
document.documentElement.lang = zh ? "zh-CN" : "en";
const t = (text) => (zh && ZH[text]) || text;
const main = document.querySelector("#main");
/** An element with properties and children; texts are texts, whatever is in them. */
function el(name, props = {}, ...children) {
  const made = Object.assign(document.createElement(name), props);
  made.append(...children.flat().filter((c) => c != null));
  return made;
}
async function ask(path, body, session) {
  let answer;
  try { answer = await fetch(path, body ? { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...(session ? { authorization: `Bearer ${session}` } : {}) } } : {}); }
  catch { throw new Error(t("No answer: is `weir init --web` still running?")); }
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}
const title = () => el("h1", {}, t("First configuration"));

async function begin() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  history.replaceState(null, "", "/");
  if (!code) { main.replaceChildren(title(), el("p", {}, t("Open the link that the terminal shows; it works once."))); return; }
  try {
    const { session } = await ask("/session", { code });
    form(session, await ask("/providers"));
  } catch (fault) { main.replaceChildren(title(), el("p", { className: "bad", role: "alert" }, fault.message)); }
}
function form(session, providers) {
  const provider = el("select", { id: "provider" }, providers.map((name) => el("option", {}, name))), key = el("input", { id: "key", type: "password", autocomplete: "off", required: true }), base = el("input", { id: "base", type: "url", placeholder: "https://…" }), name = el("input", { id: "name", value: "me", required: true }), test = el("input", { type: "checkbox", checked: true, id: "test" });
  const button = el("button", {}, t("Write it")), why = el("p", { className: "bad", role: "alert" });
  const label = (to, text) => el("label", { htmlFor: to }, t(text));
  const made = el("form", {}, label("provider", "Provider"), provider, label("key", "API key"), key, label("base", "Base URL, where the provider has none of its own"), base, label("name", "Name of the client key"), name, el("label", { className: "row" }, test, t("Ask the account before anything is written")), button, why);
  made.onsubmit = async (e) => {
    e.preventDefault(); button.disabled = true; why.textContent = "";
    try { done(await ask("/make", { provider: provider.value, key: key.value.trim(), base_url: base.value.trim() || null, name: name.value.trim(), test: test.checked }, session)); }
    catch (fault) { why.textContent = fault.message; button.disabled = false; }
  };
  main.replaceChildren(title(), el("p", { className: "dim" }, t("An account at a provider, tested before anything is written, and a key for your clients.")), made);
  provider.focus();
}
function done(made) {
  main.replaceChildren(title(), el("p", {}, t("Written."), " ", made.files.join(", ")), el("p", {}, t("The client key, shown only now:")), el("pre", { id: "client", tabIndex: 0 }, made.client_key), el("p", {}, t("Next:")), el("pre", { tabIndex: 0 }, made.next.join("\n")));
}
begin();
