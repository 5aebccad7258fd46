/** What was found of one thing that Shrike needs or can use. */
export interface Finding {
  readonly area: 'kernel' | 'hooks' | 'programs' | 'memory' | 'host';
  readonly name: string;
  /** `missing`: something does not work without it; `weaker`: another way is taken, or it is only of use. */
  readonly state: 'works' | 'weaker' | 'missing';
  /** What there is, or why it isn't. */
  readonly found: string;
  /** What goes without it, and how to get it; where it doesn't work. */
  readonly costs?: string;
  readonly remedy?: string;
  /** Nothing works without it. */
  readonly vital?: true;
}
