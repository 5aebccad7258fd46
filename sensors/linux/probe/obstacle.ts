/** Why something can't be had, and what to do about it. */
export interface Obstacle {
  readonly why: string;
  readonly remedy: string;
}

/** An obstacle as one sentence. */
export const inWords = ({ why, remedy }: Obstacle): string => `${why}; ${remedy}`;
