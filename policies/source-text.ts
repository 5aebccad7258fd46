import type { Position } from '../rules/index.ts';

/** A text that was read from a file, with the way back to its places; offsets are UTF-16 units of `value`. */
export interface SourceText {
  readonly value: string;
  at(offset: number): Position;
}

/** A text the loader made itself: every place of it is the one it was made for. */
export const madeFor = (value: string, position: Position): SourceText => ({ value, at: () => position });

/** The texts one after the other, separated by a blank; the blanks belong to the text before them. */
export const joinTexts = (texts: readonly SourceText[]): SourceText => ({
  value: texts.map((text) => text.value).join(' '),
  at: (offset) => {
    let start = 0;
    for (const [index, text] of texts.entries()) {
      if (offset <= start + text.value.length || index === texts.length - 1) return text.at(offset - start);
      start += text.value.length + 1;
    }
    throw new RangeError('no texts to find a place in');
  },
});
