//! The style sheet of the report.

/// Colours are variables, set once for light and once for dark; paper is always light. Blue and orange
/// can be told apart with any colour vision, and further curves differ in their dashes as well. All text
/// has a contrast of at least 4.5 to 1.
pub const STYLE: &str = r"
:root{color-scheme:light dark;--bg:#f4f6f9;--card:#fff;--ink:#18202c;--soft:#566172;--edge:#dde2ea;--grid:#e8ebf0;
--axis:#a8b1be;--c1:#1b66c2;--c2:#b8500a;--c3:#0b7a62;--c4:#8440b5;--c5:#b02a5b;--truth:#5d6878;
--hit:66 133 222;--miss:233 125 38}
@media screen and (prefers-color-scheme:dark){:root{--bg:#0e131a;--card:#171e27;--ink:#e7ecf2;--soft:#9eabbb;
--edge:#2a3441;--grid:#262f3b;--axis:#586678;--c1:#6cb1ff;--c2:#ff9d4a;--c3:#46cfa8;--c4:#cb9dff;--c5:#ff8fb3;
--truth:#a3b0c0;--hit:44 116 205;--miss:199 92 16}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;max-width:1180px;padding:28px 24px 40px;background:var(--bg);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;overflow-wrap:anywhere}
h1{margin:0;font-size:clamp(1.5rem,1.2rem + 1.6vw,2.2rem);line-height:1.2;letter-spacing:-.015em;text-wrap:balance}
h2{margin:40px 0 14px;font-size:1.3rem;line-height:1.3;letter-spacing:-.01em}
h3{margin:24px 0 8px;font-size:1rem}
.eyebrow{margin:0 0 4px;color:var(--soft);font-size:.8rem;font-weight:600;letter-spacing:.08em;text-transform:uppercase}
.card{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:16px}
.note{margin:10px 0 0;color:var(--soft);font-size:.85rem;line-height:1.45}
nav{display:flex;flex-wrap:wrap;gap:8px;margin-top:32px}
nav a{padding:4px 14px;border:1px solid var(--edge);border-radius:99px;background:var(--card);color:var(--c1);
font-size:.9rem;text-decoration:none}
nav a:hover,nav a:focus-visible{border-color:var(--c1)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,150px),1fr));gap:12px;margin:22px 0 0}
.facts .card{padding:12px 16px 14px}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:2px 0 0;font-size:1.6rem;font-weight:650;line-height:1.2;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}
.facts .sentence dd:not(.note){font-size:1rem;line-height:1.35;letter-spacing:0}
.facts .note{margin-top:4px;font-size:.8rem;font-weight:400;line-height:1.4;letter-spacing:0}
.row{display:flex;flex-wrap:wrap;align-items:flex-start;gap:16px}
.row>*{flex:1 1 max(min(100%,320px),calc((100% - (var(--n) - 1)*16px)/var(--n) - 1px))}
figure{min-width:0;margin:0;container-type:inline-size}
section>.row+figure,section>.row+.row,section>figure+figure,section>figure+.row{margin-top:16px}
figcaption{margin-bottom:10px;font-weight:650;line-height:1.35}
figcaption span{margin-left:8px;color:var(--soft);font-weight:400}
.keys{display:flex;flex-wrap:wrap;gap:2px 16px;margin:0 0 10px;padding:0;list-style:none;font-size:.85rem}
.keys li{display:flex;align-items:center;gap:7px}
.keys i{flex:none;width:20px;height:0;border-top:3px solid}
.keys .block{height:13px;width:13px;border:0;border-radius:3px;background:rgb(var(--k)/.6)}
.hit{--k:var(--hit)}.miss{--k:var(--miss)}
.strong{font-weight:650}
svg.chart{display:block;width:calc(100% - var(--l) - var(--r));margin:var(--t) var(--r) var(--b) var(--l);
overflow:visible;font-size:12px;font-variant-numeric:tabular-nums}
svg.wide{height:var(--h)}
svg.square{aspect-ratio:1;max-width:400px;margin-inline:max(var(--l),50% + (var(--l) - var(--r))/2 - 200px) auto}
svg text{fill:var(--soft);stroke:var(--card);stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
svg .middle{text-anchor:middle}svg .end{text-anchor:end}
svg .name{fill:var(--ink)}svg .strong{fill:var(--ink);font-weight:650}
svg .big{fill:var(--ink);font-size:19px;font-weight:650}
svg line{stroke:var(--grid);stroke-width:1px;shape-rendering:crispEdges}
svg .axis{stroke:var(--axis)}
svg .best,svg .guess{stroke:var(--soft);stroke-dasharray:4 4;shape-rendering:auto}
.curves{overflow:visible}
.curves path{fill:none;vector-effect:non-scaling-stroke;stroke:currentColor;stroke-width:2px;stroke-linejoin:round;
stroke-linecap:round}
.curves .dots{stroke-width:6px}
.curves .cloud{stroke-width:5px;opacity:.45}
.curves .thick{stroke-width:3px}
.line.truth{stroke-width:2.5px;opacity:.75}
.curves .dense{stroke-width:1.25px}
.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}
.truth{color:var(--truth)}.ink{color:var(--soft)}
.line.c3{stroke-dasharray:7 4}.line.c4{stroke-dasharray:1.5 4.5}.line.c5{stroke-dasharray:10 4 1.5 4}
.keys .c3{border-top-style:dashed}.keys .c4{border-top-style:dotted}.keys .c5{border-top-style:double}
svg text.c1,svg text.c2{fill:currentColor}
.ring{fill:var(--card);stroke:currentColor;stroke-width:2.5px}
.fine,.when-wide{display:none}
.direct .keys{margin-bottom:0}
@container (min-width:640px){.fine,.when-wide{display:inline}.direct .keys{display:none}
svg.wide{width:calc(100% - var(--l) - var(--w));margin-right:var(--w)}}
.scroll{overflow-x:auto;margin:0 -16px;padding:0 16px}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
th,td{padding:6px 0 6px 14px;text-align:right;white-space:nowrap}
th:first-child,td:first-child{padding-left:0;text-align:left}
thead th{color:var(--soft);font-weight:600;font-size:.85rem}
tbody th{font-weight:400}
.metrics,.classes{width:100%}
.metrics tbody tr,.classes tbody tr{border-top:1px solid var(--grid)}
.metrics tbody tr:first-child,.classes tbody tr:first-child{border-top-color:var(--axis)}
.metrics{max-width:720px}
.metrics tbody th{min-width:6rem;white-space:normal;overflow-wrap:anywhere}
.metrics td:last-child{font-weight:650}
.classes th,.classes td{padding:6px 0 7px 12px}
.classes tbody td{vertical-align:bottom}
.classes th:first-child{padding-left:0}
.classes th span,.confusion th span{display:block;overflow:hidden;text-overflow:ellipsis}
.classes tbody th span{max-width:min(30cqw,260px);white-space:normal;overflow-wrap:break-word;line-height:1.3}
.bar{background:linear-gradient(var(--c1),var(--c1)) 0 calc(100% + 4px)/var(--v) 3px no-repeat;background-origin:content-box;width:21%}
.confusion{border-collapse:separate;border-spacing:2px;margin:0 auto}
.confusion th,.confusion td{padding:4px 6px;text-align:center}
.confusion thead th{color:var(--ink);font-weight:400;vertical-align:bottom}
.confusion tbody th{position:sticky;left:-16px;padding-left:16px;background:var(--card);text-align:right;font-size:.85rem}
.confusion tbody th span{max-width:min(30cqw,190px);white-space:normal;overflow-wrap:break-word;line-height:1.15;
display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2}
.classes tbody th .brief,.confusion tbody th .brief{white-space:nowrap}
.upright thead th span{max-height:150px;margin:auto;writing-mode:vertical-rl;transform:rotate(180deg)}
.confusion .corner{color:var(--soft);font-size:.75rem;text-align:right;vertical-align:bottom;line-height:1.3}
.corner span{display:block}
.confusion tbody td{border-radius:4px}
.confusion.small tbody td{min-width:76px;padding:10px 6px;font-size:1rem}
.confusion.medium tbody td{min-width:38px;padding:8px 4px}
.confusion.large{border-spacing:1px;font-size:.8rem}
.confusion.large tbody td{min-width:30px;padding:4px}
.confusion small{display:block;font-size:.75rem}
td.hit,td.miss{background:rgb(var(--k)/var(--a))}
td.none{color:var(--soft)}
.settings{columns:3 300px;column-gap:36px;margin:0;font-size:.9rem}
.settings div{display:flex;justify-content:space-between;gap:16px;padding:5px 0;border-bottom:1px solid var(--grid);
break-inside:avoid}
.settings dt{flex:none;max-width:50%;color:var(--soft)}
.settings dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
pre span{display:inline-block;max-width:100%;vertical-align:top}
pre{margin:0;padding:16px;border:1px solid var(--edge);border-radius:12px;background:var(--card);white-space:pre-wrap;
font:.85rem/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
footer{margin-top:32px;color:var(--soft);font-size:.85rem}
@media (max-width:560px){body{padding:20px 12px 28px}.card{padding:14px}.facts{grid-template-columns:1fr 1fr}.facts .sentence{grid-column:span 2}
.facts>:last-child:nth-child(odd){grid-column:span 2}
.facts dd{font-size:1.35rem}.facts{gap:8px}.facts .card{padding:10px 12px 12px}h2{margin-top:32px}
.scroll{margin:0 -14px;padding:0 14px}.confusion tbody th{left:-14px;padding-left:14px}}
@media print{:root{--bg:#fff}body{max-width:none;padding:0;font-size:10pt}
html{font-size:10pt}h2{margin-top:22px}svg.wide{height:calc(var(--h)*.85)}.card{padding:12px}
.facts{grid-template-columns:repeat(auto-fit,minmax(112px,1fr))}*{print-color-adjust:exact;
-webkit-print-color-adjust:exact}.card,figure,pre{break-inside:avoid}h2,h3{break-after:avoid}nav{display:none}
.scroll{overflow:visible}.confusion.large{font-size:6.5pt}.confusion.large tbody td{min-width:0;padding:3px}
.confusion tbody th{position:static}}
";
