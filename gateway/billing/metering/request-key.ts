/**
 * Request ids as they are stored: the last part first. Ids of results end in a time and begin with a device; an index
 * over them as they are has one place to write per device, an index over keys that begin with the time has one in all.
 */
export function requestKey(id: string): string {
  const cut = id.lastIndexOf('/');
  return cut < 0 ? id : `${id.slice(cut + 1)}/${id.slice(0, cut)}`;
}

/** The id that {@link requestKey} made this key of: before the first slash stands what followed the last. */
export function requestId(key: string): string {
  const cut = key.indexOf('/');
  return cut < 0 ? key : `${key.slice(cut + 1)}/${key.slice(0, cut)}`;
}
