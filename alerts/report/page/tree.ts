import type { Priority } from '../../../rules/index.ts';
import type { Collected } from '../collect.ts';
import { type Html, html } from '../html.ts';
import type { Hits, ProcessNode } from '../process-tree.ts';
import { clipped, number, plural } from '../words.ts';
import { badge, done, moment } from './marks.ts';

/** Nodes up to which the whole tree is open at the beginning; larger ones are open this deep. */
const SMALL = 60;
const OPEN_DEPTH = 3;
const MOST_COMMAND = 240;

interface Counted {
  readonly node: ProcessNode;
  readonly children: readonly Counted[];
  readonly sum: number;
}

const countUp = (node: ProcessNode): Counted => {
  const children = [...node.children.values()].map(countUp).sort((one, other) => other.sum - one.sum);
  const own = [...node.hits.values()].reduce((sum, { count }) => sum + count, 0);
  return { node, children, sum: own + children.reduce((sum, each) => sum + each.sum, 0) };
};

const title = ({ pid, exe, cmdline, uid, processes, isOther }: ProcessNode, isCapped: boolean): Html => {
  if (processes !== undefined) {
    const many = processes.size === 0 ? 'processes' : plural(processes.size, 'process', 'processes');
    const atLeast = isCapped && processes.size > 0 ? 'at least ' : '';
    return isOther
      ? html`<span class="cmd">others</span> <span class="soft">${atLeast}${many} of other executables, counted together</span>`
      : html`<code class="cmd">${clipped(exe ?? 'unknown', MOST_COMMAND)}</code> <span class="soft">${atLeast}${many}, counted together</span>`;
  }
  const command = cmdline ?? exe ?? 'unknown';
  const isNamed = cmdline !== null && exe !== null && cmdline !== exe;
  return html`<code class="cmd">${clipped(command, MOST_COMMAND)}</code> <span class="soft">pid ${pid}${uid !== undefined && `, uid ${uid}`}${isNamed && html`, <code>${clipped(exe ?? '', MOST_COMMAND)}</code>`}</span>`;
};

/** What happened at a node; its key is the one that was counted by. */
const hit = (key: string, { count, first, last, firstSeq, lastSeq }: Hits, shown: ReadonlySet<number>): Html => {
  const [kind = '', second = '', ...rest] = key.split(' ');
  const isAlert = kind === 'alert';
  const isDone = second === 'done';
  const [outcome = '', rule = ''] = isAlert ? ['', rest.join(' ')] : splitAttempt(rest.join(' '));
  const seq = shown.has(firstSeq) ? firstSeq : shown.has(lastSeq) ? lastSeq : undefined;
  const link = seq !== undefined && html` <a href="#e-${seq}">entry ${seq}</a>`;
  const times = count === 1 ? moment(first) : html`×${number(count)}, ${moment(first)} to ${moment(last)}`;
  const data = html`data-time="${first}" data-last="${last}" data-rule="${rule}"`;
  return isAlert
    ? html`<li class="hit" ${data} data-kind="alert" data-priority="${second}">${badge(second as Priority)} ${rule} <span class="soft">${times}</span>${link}</li>`
    : html`<li class="hit" ${data} data-kind="${isDone ? 'done' : 'tried'}">${done(isDone, outcome)} ${rule} <span class="soft">${times}</span>${link}</li>`;
};

/** Outcomes may have blanks, so what was counted by has a tab behind them. */
const splitAttempt = (text: string): readonly [string, string] => {
  const at = text.indexOf('\t');
  return [text.slice(0, at), text.slice(at + 1)];
};

const nodeHtml = ({ node, children, sum }: Counted, depth: number, of: Of): Html => {
  const hits = [...node.hits].map(([key, each]) => hit(key, each, of.shown));
  const name = title(node, of.isCapped);
  if (hits.length === 0 && children.length === 0) return html`<li class="node"><div class="leaf">${name}</div></li>`;
  const isOpen = of.isSmall || depth < OPEN_DEPTH;
  return html`<li class="node"><details${isOpen && html` open`}><summary>${name} <span class="soft">· ${number(sum)}</span></summary>
<ul>${hits}${children.map((each) => nodeHtml(each, depth + 1, of))}</ul></details></li>
`;
};

interface Of {
  readonly shown: ReadonlySet<number>;
  readonly isSmall: boolean;
  readonly isCapped: boolean;
}

/** By which process trees: processes with their ancestors, and what rules found at each. */
export const treeHtml = ({ tree, shown }: Collected): Html => {
  if (tree.roots.size === 0) return html`<p>No alert and no attempt names a process.</p>`;
  const of = {
    shown: new Set(shown.map(({ seq }) => seq)),
    isSmall: tree.nodes <= SMALL,
    isCapped: tree.isCapped,
  };
  const roots = [...tree.roots.values()].map(countUp).sort((one, other) => other.sum - one.sum);
  return html`<p>Ancestors as the alerts name them, outermost first. The number behind a process counts its alerts and attempts, and those of all processes below it. All of them are counted here, also where the entry itself is not on this page.</p>
<div class="buttons screen" hidden><button type="button" data-open="yes" data-of="tree">Open all</button><button type="button" data-open="no" data-of="tree">Close all</button></div>
<ul class="tree" id="tree" aria-label="Process tree">${roots.map((each) => nodeHtml(each, 0, of))}</ul>`;
};
