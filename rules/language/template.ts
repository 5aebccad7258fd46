/** A field in an output template: `%20proc.aname[2]` has width 20. */
export interface TemplateField {
  readonly name: string;
  readonly argument?: string;
  readonly width?: number;
  /** Transformers from the inside out: `%toupper(proc.name)`. */
  readonly transformers: readonly string[];
}

/** An output template in pieces. */
export interface OutputTemplate {
  readonly text: string;
  readonly parts: readonly (string | TemplateField)[];
}
