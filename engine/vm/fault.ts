/** Thrown when a program does what no verified program can: `at` is the slot of the instruction. */
export class Fault extends Error {
  readonly at: number;
  readonly reason: string;

  constructor(at: number, reason: string) {
    super(`instruction ${at}: ${reason}`);
    this.name = 'Fault';
    this.at = at;
    this.reason = reason;
  }
}
