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
  "Subject": "对象", "Until": "至", "in": "入", "out": "出", "quota spent": "额度用尽", "Pool": "池", "no account takes requests": "没有账号接收请求", "{p} takes over.": "由 {p} 接替。", "What asks for it is refused.": "指向它的请求会被拒绝。",
  "Spend": "花费", "Range": "范围", "Range …": "范围 …", "Before": "之前", "After": "之后", "By": "按", "Month": "月", "Year": "年", "Project": "项目", "Kind": "类型", "ledger of {h}": "{h} 的账本", "since": "自", "counted by this process; `ledger.path` keeps a history": "由本进程统计；`ledger.path` 可保留历史",
  "Month so far": "本月至今", "In this span": "所选范围", "requests": "请求", "to the span before": "较上一时段", "At this pace, month's end": "按此速度至月底", "for everyone": "全体", "no budget for everyone": "未设全体预算", "since midnight": "自零点起", "Saved by prompt caches": "缓存节省", "of prompts from cache": "的提示来自缓存", "Without a price": "无价格", "add it to `prices`": "请加入 `prices`", "every model has one": "所有模型都有价格",
  "Per month, by model": "按月与模型", "Per day, by model": "按日与模型", "unknown": "未知", "Month against the budget": "本月与预算", "Sum over the span": "范围内累计", "By kind of token": "按词元类型", "By key": "按密钥", "By group": "按组", "By project": "按项目", "By model": "按模型", "By account": "按账号", "By kind": "按类型", "the dearest {n} of {m}; the CSV has them all": "花费最高的 {n} / {m} 项；CSV 含全部", "{n} used something": "{n} 项有用量", "Find": "查找", "Nothing holds “{q}”": "没有包含“{q}”的项", "Nothing was used in this span": "此时段没有用量", "Without a ledger, a restart forgets. Two lines of the configuration keep it:": "没有账本，重启即遗忘。两行配置即可保留：",
  "input, no cache": "输入，未缓存", "cache read": "缓存读取", "cache write 5m": "缓存写入 5 分钟", "cache write 1h": "缓存写入 1 小时", "output": "输出", "no limit": "无限额", "From cache": "缓存命中", "Change": "变化", "Left of its limit": "限额余量", "Share": "占比", "in all": "合计", "today": "今日", "budget": "预算",
  "Request": "请求", "Dialect": "协议", "Start from": "起始样例", "Hello": "问候", "Tools": "工具", "Image": "图像", "counts for {k}": "计入 {k}", "The body is no JSON": "正文不是 JSON", "Explain shows the route, the accounts in the order in which they would be asked, and what the upstream would be sent. Send does it.": "“解释”显示路由、将依次询问的账号以及发给上游的内容；“发送”则真正发送。", "stopped": "已停止", "tokens": "词元", "for": "还需",
  "Would be refused with {n}": "将以 {n} 拒绝", "Weir answers this itself": "由 Weir 自己回答", "Would go to {a}": "将发往 {a}", "passed over": "略过", "is": "为", "no route fits: default pool": "无匹配路由：默认池", "fits": "匹配", "as things are at {t}; nobody was called": "{t} 时的情况；未调用任何上游", "Routes, the first that fits": "路由，取第一个匹配", "the model stays": "模型不变", "when all are out": "全部不可用时", "fallback": "后备", "session": "会话", "no session": "无会话", "Accounts, in the order in which they would be asked": "账号，按询问顺序", "weight": "权重", "Part": "部分",
  "What the client would get": "客户端将得到", "Only you see this": "仅你可见", "Sent as it came": "原样发送", "What changes on the way": "途中的改动", "renamed or reshaped": "改名或改形", "added by Weir": "由 Weir 添加", "same": "相同", "renamed": "改名", "added": "添加", "Headers": "头部", "Upstream": "上游", "route {n} renames it": "路由 {n} 改名", "its dialect has none; named in the access log": "该协议没有此字段；已记入访问日志", "Events": "事件", "Text": "文本", "Raw": "原文", "The answer as it came": "回答的原貌", "sent {t} by {n}": "{n} 于 {t} 发送", "View": "视图", "under way": "进行中", "waiting": "等待", "no price": "无价格", "account": "账号", "first token": "首字", "took": "用时", "tokens/s": "词元/秒", "longest silence": "最长静默", "cost": "费用", "Weir's own": "Weir 自身", "Events as they came": "按到达顺序的事件", "since sent": "自发送起", "after": "间隔", "event": "事件", "content": "内容", "one event": "一个事件", "silent for more than 1 s": "静默超过 1 秒",
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
