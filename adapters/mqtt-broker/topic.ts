/** Rules of topic names and filters (MQTT 3.1.1 §4.7). Pure. */

const SLASH = 47;
const PLUS = 43;
const HASH = 35;

/** Whether `topic` may be published to: not empty, no wildcard, no NUL [MQTT-4.7.3-1, -2], not too deep. */
export function isTopic(topic: string, maxLevels: number): boolean {
  if (topic.length === 0) return false;
  let count = 1;
  for (let i = 0; i < topic.length; i++) {
    const code = topic.charCodeAt(i);
    if (code === SLASH) count++;
    else if (code === PLUS || code === HASH || code === 0) return false;
  }
  return count <= maxLevels;
}

/** Whether `filter` may be subscribed to: wildcards fill whole levels, `#` only the last [MQTT-4.7.1-2, -3]. */
export function isFilter(filter: string, maxLevels: number): boolean {
  if (filter.length === 0) return false;
  let count = 1;
  for (let i = 0; i < filter.length; i++) {
    const code = filter.charCodeAt(i);
    if (code === 0) return false;
    if (code === SLASH) count++;
    if (code !== PLUS && code !== HASH) continue;
    if (i > 0 && filter.charCodeAt(i - 1) !== SLASH) return false;
    if (i === filter.length - 1) continue;
    if (code === HASH || filter.charCodeAt(i + 1) !== SLASH) return false;
  }
  return count <= maxLevels;
}

/** Whether a topic matches a filter; wildcards at the first level do not match `$` topics [MQTT-4.7.2-1]. */
export function matches(filter: string, topic: string): boolean {
  if (topic.charCodeAt(0) === 36 && (filter.charCodeAt(0) === PLUS || filter.charCodeAt(0) === HASH))
    return false;
  let f = 0;
  let t = 0;
  for (;;) {
    const code = filter.charCodeAt(f);
    if (code === HASH) return true;
    if (code === PLUS) {
      while (t < topic.length && topic.charCodeAt(t) !== SLASH) t++;
      f++;
    } else {
      while (f < filter.length && filter.charCodeAt(f) !== SLASH) {
        if (t >= topic.length || filter.charCodeAt(f) !== topic.charCodeAt(t)) return false;
        f++;
        t++;
      }
    }
    const filterEnds = f >= filter.length;
    const topicEnds = t >= topic.length;
    if (filterEnds) return topicEnds;
    // `a/#` also matches its parent `a` (§4.7.1.2).
    if (topicEnds) return filter.length === f + 2 && filter.charCodeAt(f + 1) === HASH;
    if (topic.charCodeAt(t) !== SLASH) return false;
    f++;
    t++;
  }
}

/** Whether a topic belongs to the broker itself: nobody publishes there, whatever the access rules say. */
export function isReserved(topic: string): boolean {
  return (
    topic.charCodeAt(0) === 36 &&
    (topic === '$SYS' || topic.startsWith('$SYS/') || topic === '$share' || topic.startsWith('$share/'))
  );
}
