/** A log's text, in pieces of any size. */
export type Source = string | Iterable<string>;

export interface TextLine {
  readonly number: number;
  readonly text: string;
  /** False for a last line without a line feed. */
  readonly complete: boolean;
}

/** Splits a log into lines. */
const linesOf = function* (source: Source): Generator<TextLine> {
  let number = 0;
  let rest = '';
  for (const piece of typeof source === 'string' ? [source] : source) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      number += 1;
      yield { number, text: text.endsWith('\r') ? text.slice(0, -1) : text, complete: true };
    }
  }
  if (rest !== '') yield { number: number + 1, text: rest, complete: false };
};

/** A remark that strace, where it writes to a terminal, puts in the middle of the line it is printing. */
const REMARK = /^(.*)(strace: Process \d+ (?:attached|detached))$/;

/** Puts lines together again that a remark of strace's broke; it comes after the line it broke. */
export const wholeLines = function* (source: Source): Generator<TextLine> {
  let broken: TextLine | undefined;
  let remarks: TextLine[] = [];
  for (const line of linesOf(source)) {
    const remark = REMARK.exec(line.text);
    const text = remark === null ? line.text : (remark[1] ?? '');
    if (remark !== null) remarks.push({ ...line, text: remark[2] ?? '' });
    if (remark !== null && (text !== '' || broken !== undefined)) {
      broken = { ...line, number: broken?.number ?? line.number, text: (broken?.text ?? '') + text };
      continue;
    }
    if (remark === null)
      yield broken === undefined ? line : { ...line, number: broken.number, text: broken.text + text };
    yield* remarks;
    broken = undefined;
    remarks = [];
  }
  if (broken !== undefined) yield { ...broken, complete: false };
  yield* remarks;
};
