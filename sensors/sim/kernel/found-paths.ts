import type { Dentry } from './dentries.ts';
import { isSamePath, type Path } from './mounts.ts';

/** What a path led to. */
export interface FoundPath extends Path {
  /** Nothing happened since that may lead the same text elsewhere, unless what was found lost or changed its name. */
  isCurrent: boolean;
}

/** Where the same text leads to the same file: below one root, from one place. */
interface Place {
  readonly root: Path;
  readonly start: Path;
  readonly followed: Map<string, FoundPath>;
  readonly unfollowed: Map<string, FoundPath>;
}

/** Paths that are remembered before all are forgotten. */
const MOST = 16_384;

/** Whether what was found is still what the same text leads to. */
export const isStill = ({ isCurrent, dentry }: FoundPath): boolean => isCurrent && dentry.linked && !dentry.renamed;

/**
 * What paths led to when everybody may look everywhere, as in recordings. A new name changes no path that led somewhere; of a file that lost
 * its name or has another its dentry tells; what changes a link forgets the paths through it, and what changes mounts or names of directories all.
 */
export class FoundPaths {
  readonly #absolute: Place[] = [];
  readonly #relative = new Map<Dentry, Place>();
  /** What was found through a symbolic link, by the link. */
  readonly #through = new Map<Dentry, FoundPath[]>();
  #count = 0;

  /** What a path led to; undefined where that isn't known. @param start where a relative path begins */
  get(root: Path, start: Path, text: string, follow: boolean): FoundPath | undefined {
    const place = text.charCodeAt(0) === SLASH ? this.#below(root) : this.#from(root, start);
    if (place === undefined) return undefined;
    const found = (follow ? place.followed : place.unfollowed).get(text);
    return found !== undefined && isStill(found) ? found : undefined;
  }

  /** @param links that it was found through */
  set(root: Path, start: Path, text: string, follow: boolean, found: Path, links: readonly Dentry[]): void {
    if (found.dentry.renamed) return;
    if (++this.#count > MOST) this.forget();
    const absolute = text.charCodeAt(0) === SLASH;
    let place = absolute ? this.#below(root) : this.#from(root, start);
    if (place === undefined) {
      place = { root, start, followed: new Map(), unfollowed: new Map() };
      if (absolute) this.#absolute.push(place);
      else {
        const before = this.#relative.get(start.dentry);
        if (before) forgetAll(before);
        this.#relative.set(start.dentry, place);
      }
    }
    const { mount, dentry } = found;
    const kept = { mount, dentry, isCurrent: true };
    (follow ? place.followed : place.unfollowed).set(text, kept);
    for (const link of links) {
      const through = this.#through.get(link);
      if (through) through.push(kept);
      else this.#through.set(link, [kept]);
    }
  }

  forget(): void {
    for (const place of this.#absolute) forgetAll(place);
    for (const place of this.#relative.values()) forgetAll(place);
    this.#absolute.length = 0;
    this.#relative.clear();
    this.#through.clear();
    this.#count = 0;
  }

  /** A symbolic link is gone, or has another name. */
  forgetThrough(link: Dentry): void {
    for (const found of this.#through.get(link) ?? []) found.isCurrent = false;
    this.#through.delete(link);
  }

  #below(root: Path): Place | undefined {
    for (const place of this.#absolute) if (isSamePath(place.root, root)) return place;
    return undefined;
  }

  #from(root: Path, start: Path): Place | undefined {
    const place = this.#relative.get(start.dentry);
    return place !== undefined && isSamePath(place.root, root) && isSamePath(place.start, start) ? place : undefined;
  }
}

const forgetAll = ({ followed, unfollowed }: Place): void => {
  for (const paths of [followed, unfollowed]) for (const found of paths.values()) found.isCurrent = false;
};

const SLASH = 0x2f;
