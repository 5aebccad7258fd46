import type { Dentry } from './dentries.ts';
import type { Path } from './mounts.ts';

/** Where the same text leads to the same file: below one root, from one place. */
interface Place {
  readonly root: Path;
  readonly start: Path;
  readonly followed: Map<string, Path>;
  readonly unfollowed: Map<string, Path>;
}

/** Paths that are remembered before all are forgotten. */
const MOST = 16_384;

const isSame = (one: Path, other: Path): boolean => one.dentry === other.dentry && one.mount === other.mount;

/**
 * What paths led to when everybody may look everywhere, as in recordings. A new name changes no path that led somewhere; of a file that lost
 * its name or has another its dentry tells; what changes links, mounts or names of directories forgets them all.
 */
export class FoundPaths {
  readonly #absolute: Place[] = [];
  readonly #relative = new Map<Dentry, Place>();
  #count = 0;
  #age = 0;

  /** Another number whenever all were forgotten. */
  get age(): number {
    return this.#age;
  }

  /** What a path led to; undefined where that isn't known. @param start where a relative path begins */
  get(root: Path, start: Path, text: string, follow: boolean): Path | undefined {
    const place = text.charCodeAt(0) === SLASH ? this.#below(root) : this.#from(root, start);
    if (place === undefined) return undefined;
    const found = (follow ? place.followed : place.unfollowed).get(text);
    return found?.dentry.linked === true && !found.dentry.renamed ? found : undefined;
  }

  set(root: Path, start: Path, text: string, follow: boolean, found: Path): void {
    if (found.dentry.renamed) return;
    if (++this.#count > MOST) this.forget();
    const absolute = text.charCodeAt(0) === SLASH;
    let place = absolute ? this.#below(root) : this.#from(root, start);
    if (place === undefined) {
      place = { root, start, followed: new Map(), unfollowed: new Map() };
      if (absolute) this.#absolute.push(place);
      else this.#relative.set(start.dentry, place);
    }
    (follow ? place.followed : place.unfollowed).set(text, found);
  }

  forget(): void {
    this.#absolute.length = 0;
    this.#relative.clear();
    this.#count = 0;
    this.#age++;
  }

  #below(root: Path): Place | undefined {
    for (const place of this.#absolute) if (isSame(place.root, root)) return place;
    return undefined;
  }

  #from(root: Path, start: Path): Place | undefined {
    const place = this.#relative.get(start.dentry);
    return place !== undefined && isSame(place.root, root) && isSame(place.start, start) ? place : undefined;
  }
}

const SLASH = 0x2f;
