/** A line of a listing, split into what it shows; columns count from 1. */
export type ListingLine = {
  readonly labels: readonly { readonly name: string; readonly column: number }[];
  /** llvm-objdump's heading of a section. */
  readonly section?: string;
  /** The bytes of one slot, or of two. */
  readonly bytes?: Uint8Array | undefined;
} & (
  | {
      readonly text: string;
      readonly column: number;
      readonly slot: { readonly number: number; readonly column: number } | undefined;
      /** The opcode in brackets. */
      readonly opcode: number | undefined;
    }
  | { readonly text?: undefined }
);

/** What listings have beside instructions: headings of llvm-objdump and what the kernel's verifier says between them. */
const SKIPPED: readonly RegExp[] = [
  /^\S.*:\s+file format \S+$/,
  /^\d+: (?:R\d|frame\d+:|safe$|\(safe\))/,
  /^(?:from \d+ to \d+|func#\d+ @\d+|Live regs before insn:|SCC |\([\d,]+\) (?:frame|live stack) |processed \d+ insns|mark_precise:|last_idx|regs=|parent |returning from callee:|to caller at |caller:|callee:|arg#\d+ |Func#\d+|Validating |verification time|stack depth|max_states_per_insn|propagating |frame\d+:|R\d+(?:_\w+)?=)/,
];

const SECTION = /^Disassembly of section (.*):$/;
const SYMBOL = /^(?:[0-9a-f]+ )?<([^>]+)>:$/;
/** bpftool's heading of a function, `int handle(struct pt_regs * ctx):`. */
const FUNCTION = /^(?:[\w*]+\s+)+\**(\w+)\([^()]*\):$/;
const LABEL = /^([A-Za-z_.$][\w.$]*):(?=\s|$)/;
/** Slot number (behind a loop's, in the verifier's table of live registers), those registers (`.1.345....`), bytes, opcode in brackets. */
const PREFIX =
  /^(?:\d+\s+(?=\d+: [\d.]{10} ))?(?:(\d+):(?=\s|\(|$)\s*)?(?:[\d.]{10}\s+(?=\())?(?:((?:[0-9a-f]{2} ){7}[0-9a-f]{2}(?: (?:[0-9a-f]{2} ){7}[0-9a-f]{2})?)(?=\s|$)\s*)?(?:\(([0-9a-f]{2})\)\s*)?/i;
const COMMENT = /;|\/\/|(?<=^|\s)#/;

/** Splits a line: what stands before an instruction, its text, and no comment. */
export function readLine(source: string): ListingLine {
  const comment = source.search(COMMENT);
  const line = (comment === -1 ? source : source.slice(0, comment)).trimEnd();
  let at = line.length - line.trimStart().length;
  const whole = line.slice(at);
  if (SKIPPED.some((pattern) => pattern.test(whole))) return { labels: [] };
  const section = SECTION.exec(whole)?.[1];
  if (section !== undefined) return { labels: [], section };
  const heading = SYMBOL.exec(whole)?.[1] ?? FUNCTION.exec(whole)?.[1];
  if (heading !== undefined) return { labels: [{ name: heading, column: at + 1 }] };
  const labels: { name: string; column: number }[] = [];
  for (let label = LABEL.exec(line.slice(at)); label; label = LABEL.exec(line.slice(at))) {
    labels.push({ name: label[1]!, column: at + 1 });
    at += label[0].length;
    at += line.slice(at).length - line.slice(at).trimStart().length;
  }
  const prefix = PREFIX.exec(line.slice(at))!;
  const [matched, number, hex, opcode] = prefix;
  const slot = number === undefined ? undefined : { number: Number(number), column: at + 1 };
  const bytes = hex === undefined ? undefined : Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));
  const text = line.slice(at + matched.length);
  if (text === '') return { labels, bytes };
  return {
    labels,
    bytes,
    slot,
    text,
    column: at + matched.length + 1,
    opcode: opcode === undefined ? undefined : Number.parseInt(opcode, 16),
  };
}
