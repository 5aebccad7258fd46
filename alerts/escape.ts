/** Control and format characters (bidirectional overrides among them), line separators, lone surrogates. */
const FORGING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Texts with nothing to escape, as most are. */
const PLAIN = /^[ -~]*$/;

/** Writes characters that could forge a line or drive a terminal as `\n`, `\x1b` or `\u{202e}`; all others stay. */
export const escapeControl = (text: string): string =>
  PLAIN.test(text)
    ? text
    : text.replace(FORGING, (character) => {
        const code = character.codePointAt(0)!;
        const hex = code.toString(16);
        return SHORT[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`);
      });
