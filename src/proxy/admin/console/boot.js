// The frame is painted first; then comes what makes it a page. Nobody sees a tab that is hidden, whose frames never come.
const modules = /** @type {HTMLTemplateElement} */ (document.getElementById("modules"));
const begin = () => {
  document.head.append(modules.content);
  void import("./main.js");
};
if (document.hidden) begin();
else requestAnimationFrame(() => setTimeout(begin));
