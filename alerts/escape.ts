/** Control and format characters (bidirectional overrides among them), line separators, lone surrogates. */
const FORGING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const PLAIN = /^[ -~]*$/;

/** Whether a text has nothing to escape, as most have. */
export const isPlain = (text: string): boolean => PLAIN.test(text);

/** Writes characters that could forge a line or drive a terminal as `\n`, `\x1b` or `\u{202e}`; all others stay. */
export const escapeControl = (text: string): string =>
  isPlain(text)
    ? text
    : text.replace(FORGING, (character) => {
        const code = character.codePointAt(0)!;
        const hex = code.toString(16);
        return SHORT[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`);
      });
