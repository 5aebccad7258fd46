/** What a line says, apart from its prefix. */
export type LineBody =
  /** A whole call, or one that a resumed line ended. */
  | { readonly kind: 'call'; readonly text: string }
  /** A call that another process's line interrupted. */
  | { readonly kind: 'unfinished'; readonly text: string }
  /** The rest of an unfinished call. */
  | { readonly kind: 'resumed'; readonly name: string; readonly text: string }
  | { readonly kind: 'signal'; readonly signal: string; readonly info: string }
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'killed'; readonly signal: string }
  /** Another thread of the process called execve and took over its pid. */
  | { readonly kind: 'superseded'; readonly by: number }
  | { readonly kind: 'attached'; readonly pid: number }
  /** From here on the process's calls are of the other table. */
  | { readonly kind: 'mode'; readonly abi: 'x86-64' | 'ia32' }
  /** Nothing that happened: a blank line, a stack frame of -k, a remark of strace's. */
  | { readonly kind: 'remark' };

/** A time as a line gives it, in nanoseconds: since the Unix epoch (-ttt), since midnight (-t, -tt), or since the line before (-r). */
export interface LineTime {
  readonly kind: 'epoch' | 'day' | 'delta';
  readonly ns: bigint;
}

/** A line of an strace log. */
export interface StraceLine {
  /** Undefined where the line has none: strace without -f, or -f while there is one process. */
  readonly pid: number | undefined;
  readonly time: LineTime | undefined;
  readonly body: LineBody;
}

const PID = /^(?:\[pid +(\d+)(?:<[^>]*>)?\] ?|(\d+)(?:<[^>]*>)? +(?=\S))/;
const EPOCH = /^(\d{9,})(?:\.(\d{1,9}))? /;
const DAY = /^(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))? (?:\(\+ *[\d.]+\) )?/;
const DELTA = /^ *(\d{1,8})\.(\d{6,9}) /;
/** What -n and -i print before a call: its number, the instruction pointer. */
const BRACKETS = /^(?:\[ *[0-9a-f?]+\] )+/;

const fraction = (digits: string | undefined): bigint => BigInt((digits ?? '').padEnd(9, '0'));

const takeTime = (text: string): { readonly time: LineTime | undefined; readonly rest: string } => {
  const epoch = EPOCH.exec(text);
  if (epoch !== null) {
    const ns = BigInt(epoch[1] ?? 0) * 1_000_000_000n + fraction(epoch[2]);
    return { time: { kind: 'epoch', ns }, rest: text.slice(epoch[0].length) };
  }
  const day = DAY.exec(text);
  if (day !== null) {
    const seconds = (Number(day[1]) * 60 + Number(day[2])) * 60 + Number(day[3]);
    const ns = BigInt(seconds) * 1_000_000_000n + fraction(day[4]);
    return { time: { kind: 'day', ns }, rest: text.slice(day[0].length) };
  }
  const delta = DELTA.exec(text);
  if (delta !== null) {
    const ns = BigInt(delta[1] ?? 0) * 1_000_000_000n + fraction(delta[2]);
    return { time: { kind: 'delta', ns }, rest: text.slice(delta[0].length) };
  }
  return { time: undefined, rest: text };
};

const MODE = /^(?:strace: |\[pid +\d+\] |\d+ +)?\[ Process PID=(\d+) runs in (64|32) bit mode\. \]/;
const ATTACHED = /^(?:strace: )?Process (\d+) (attached|detached)/;
const SIGNAL = /^--- (\w+|SIG_\d+) (.*?) ?---$/;
const EXITED = /^\+\+\+ exited with (\d+) \+\+\+$/;
const KILLED = /^\+\+\+ killed by (\w+)(?: \(core dumped\))? \+\+\+$/;
const SUPERSEDED = /^\+\+\+ superseded by execve in pid (\d+) \+\+\+$/;
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/;
const UNFINISHED = /^(.*?) ?<(?:unfinished|detached) \.\.\.>$/;
const CALL = /^[a-z_]\w*\(/;

const bodyOf = (text: string): LineBody | undefined => {
  const exited = EXITED.exec(text);
  if (exited !== null) return { kind: 'exited', status: Number(exited[1]) };
  const killed = KILLED.exec(text);
  if (killed !== null) return { kind: 'killed', signal: killed[1] ?? '' };
  const superseded = SUPERSEDED.exec(text);
  if (superseded !== null) return { kind: 'superseded', by: Number(superseded[1]) };
  const signal = SIGNAL.exec(text);
  if (signal?.[1] === 'stopped') return { kind: 'remark' };
  if (signal !== null) return { kind: 'signal', signal: signal[1] ?? '', info: signal[2] ?? '' };
  const resumed = RESUMED.exec(text);
  if (resumed !== null) return { kind: 'resumed', name: resumed[1] ?? '', text: resumed[2] ?? '' };
  if (!CALL.test(text)) return undefined;
  const unfinished = UNFINISHED.exec(text);
  return unfinished === null ? { kind: 'call', text } : { kind: 'unfinished', text: unfinished[1] ?? '' };
};

/** Reads a line's prefix and what kind of line it is; undefined for one that strace does not print. */
export const readLine = (line: string): StraceLine | undefined => {
  const remark: StraceLine = { pid: undefined, time: undefined, body: { kind: 'remark' } };
  if (line.trim() === '' || /^ > /.test(line)) return remark;
  const mode = MODE.exec(line);
  if (mode !== null) {
    return { ...remark, pid: Number(mode[1]), body: { kind: 'mode', abi: mode[2] === '32' ? 'ia32' : 'x86-64' } };
  }
  const attached = ATTACHED.exec(line);
  if (attached !== null) {
    return attached[2] === 'attached' ? { ...remark, body: { kind: 'attached', pid: Number(attached[1]) } } : remark;
  }
  if (line.startsWith('strace: ')) return remark;
  const bare = takeTime(line);
  const body = bodyOf(bare.rest.replace(BRACKETS, ''));
  if (body !== undefined) return { pid: undefined, time: bare.time, body };
  const prefix = PID.exec(line);
  if (prefix === null) return undefined;
  const { time, rest } = takeTime(line.slice(prefix[0].length));
  const prefixed = bodyOf(rest.replace(BRACKETS, ''));
  return prefixed === undefined ? undefined : { pid: Number(prefix[1] ?? prefix[2]), time, body: prefixed };
};
