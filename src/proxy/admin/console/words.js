// The words of the pages in two languages. Values (key names, classes, paths of the YAML) are never translated.
const ZH = {
  "Now": "现况", "Live": "实时", "Try": "试用", "Keys": "密钥", "Config": "配置", "Audit": "审计", "More": "更多",
  "Skip to content": "跳到内容", "Pages": "页面", "Keyboard": "键盘", "Sign out": "退出", "Sign in": "登录", "Token": "令牌", "Language": "语言",
  "usable": "可用", "part": "部分可用", "easing": "恢复中", "probing": "试探中", "throttled": "限速", "quota": "额度用尽", "unreachable": "无法连接", "refused": "密钥被拒", "drained": "已停用",
  "until": "至", "resets in": "后重置", "Requests": "请求", "Tokens": "词元", "Errors": "错误", "First token": "首字", "In flight": "进行中", "Spend today": "今日花费",
  "Accounts": "账号", "Account": "账号", "State": "状态", "Windows": "额度窗口", "Requests/s, 1 h": "每秒请求，1 小时", "First byte": "首字节", "Errors, 5 min": "错误，5 分钟", "Cache": "缓存命中", "Last hour": "近一小时",
  "Serving on {n} of {m} accounts": "{m} 个账号中 {n} 个可用", "Nothing needs you": "无需处理", "{n} need you": "{n} 项需处理", "{n} to watch": "{n} 项需留意", "Budgets near their end": "将用尽的预算", "no budget is set": "未设预算",
  "no window stated": "上游未报告额度", "of": "/", "by upstreams": "来自上游", "Drain": "停用", "Enable": "启用", "Reset": "重置", "Requests of the last 5 min": "最近 5 分钟的请求", "Actions": "操作",
  "Filter": "筛选", "All": "全部", "Trouble": "异常", "Slow": "慢", "Pause": "暂停", "Follow": "跟随", "Time": "时间", "Status": "状态", "Key": "密钥", "Model": "模型", "Took": "用时", "In": "入", "Out": "出", "Cost": "费用",
  "Paused.": "已暂停。", "{n} newer": "{n} 条较新", "{n} held, {b}, back to {t}": "保留 {n} 条，{b}，始于 {t}", "Outcome": "结果", "Class of failed tries": "失败尝试的类别",
  "Where the time went": "时间去向", "Why it went there": "为何去那里", "Translation": "转换", "Client": "客户端", "Bodies": "正文", "dropped": "丢弃字段", "violations": "违规", "nothing": "无",
  "Explain": "解释", "Send": "发送", "Stop": "停止", "Body": "正文", "Group": "组", "Today": "今日", "This month": "本月", "Limits": "限额", "Expires": "到期",
  "Who": "谁", "What": "操作", "From": "从", "To": "到", "Applied": "已应用", "On disk": "磁盘上", "Reload": "重新加载", "Check": "检查",
};
let language = localStorage.getItem("weir-language") || (navigator.language.startsWith("zh") ? "zh" : "en");
document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
export const chinese = () => language === "zh";
export function choose(next) { language = next; localStorage.setItem("weir-language", next); location.reload(); }
/** The words for `text`, with {name} replaced. */
export function t(text, values = {}) {
  const found = language === "zh" ? ZH[text] || text : text;
  return found.replace(/\{(\w+)\}/g, (all, name) => name in values ? values[name] : all);
}
