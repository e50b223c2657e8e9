// From features to an answer: the arithmetic of verger/gallery, on as many photos as the app holds.

const NEIGHBOURS = 64; // photos of the whole gallery that have a say
const SHOWN = 5;
const LEVELS = 100; // steps between the percentiles of familiarity
const USUAL = 50; // of these
const MOST_SURE = 1e-4;
const TINY = 1e-12;

export class Gallery {
  constructor(header, arrays) {
    this.header = header;
    this.arrays = arrays;
    this.groupNames = [...new Set(header.groups)].sort(byCodePoint);
    this.groupIds = header.groups.map((group) => this.groupNames.indexOf(group));
  }

  // Says what one fruit is, from the features of each of its photos; as /api/identify does.
  identify(rows) {
    const { header } = this;
    const query = unit(mean(rows.map((row) => this.projected(row))));
    const similarities = this.similarities(query);
    const order = Array.from(similarities.keys()).sort((a, b) => similarities[b] - similarities[a] || a - b);
    const neighbours = this.shown(order).map((photo) => this.neighbour(photo, similarities[photo]));
    const answer = { gallery: header.gallery, verdict: "unknown", close: false, confidence: 0, known: 0, labels: [], groups: [], neighbours, photos: rows.length, species: {} };
    if (!header.labels.length) return answer;
    const evidence = {
      nearest: this.nearest(order, similarities),
      means: dots(this.arrays.means, query),
      likeness: Math.max(...dots(this.arrays.likenesses, unit(mean(rows.map(rootUnit))))),
    };
    return { ...answer, ...this.told(evidence) };
  }

  // Features in the space that photos are compared in, of length 1.
  projected(row) {
    const { mean: centre, components, scale } = this.arrays;
    const prepared = PREPARE[this.header.input](row);
    const centred = prepared.map((value, at) => (value - centre[at]) / scale[at]);
    return unit(dots(components, centred));
  }

  // Vectors are kept as whole numbers of sixteen bits, with a scale for each photo.
  similarities(query) {
    const { vectors, scales } = this.arrays;
    const length = query.length;
    const out = new Float32Array(scales.length);
    for (let photo = 0, at = 0; photo < out.length; photo += 1) {
      let sum = 0;
      for (let axis = 0; axis < length; axis += 1, at += 1) sum += vectors[at] * query[axis];
      out[photo] = sum * scales[photo];
    }
    return out;
  }

  // The similarity of the nearest photo of each label. Of a gallery that was thinned out, each
  // photo speaks for several: those have a say that speak for the 64 nearest.
  nearest(order, similarities) {
    const { labelIds, standsFor } = this.arrays;
    let said = 0;
    let last = 0;
    while (last < order.length && said < NEIGHBOURS - 0.5) {
      said += standsFor[order[last]];
      last += 1;
    }
    const out = new Float32Array(this.header.labels.length).fill(similarities[order[last - 1]] ?? 0);
    for (let at = last - 1; at >= 0; at -= 1) {
      if (labelIds[order[at]] >= 0) out[labelIds[order[at]]] = similarities[order[at]];
    }
    return out;
  }

  // The nearest that there is a picture of: not all have one, and an icon is no evidence.
  shown(order) {
    const ends = this.header.pictures;
    const pictured = order.filter((photo) => ends[photo] > (ends[photo - 1] ?? 0));
    return [...new Set([...pictured.slice(0, SHOWN), ...order.slice(0, 2 * SHOWN)])].slice(0, SHOWN);
  }

  neighbour(photo, similarity) {
    const label = this.header.labels[this.arrays.labelIds[photo]]?.label ?? null;
    return { photo, path: "", label, similarity: short(similarity) };
  }

  told({ nearest, means, likeness }) {
    const { calibration, labels, species } = this.header;
    const scores = Float32Array.from(means, (value, at) => calibration.nearest * nearest[at] + calibration.mean * value);
    const shares = softmax(scores);
    const best = Math.max(...scores) / (calibration.nearest + calibration.mean);
    const familiarity = [best, likeness].reduce(
      (sum, value, at) => sum + (value - calibration.centre[at]) / calibration.spread[at], 0);
    const honest = this.honest(shares, familiarity);
    const rankedGroups = ranked(honest.groups, honest.sums);
    const rankedLabels = ranked(honest.labels, shares);
    const usual = Math.max(familiarity, calibration.familiarity[USUAL] ?? 0);
    const odds = {
      label: honest.labels[rankedLabels[0]],
      group: honest.groups[rankedGroups[0]],
      usual: probability(calibration.group, Math.max(...honest.sums), usual),
      familiarity,
      single: honest.single,
    };
    const { verdict, close } = decide(odds, calibration.bounds);
    const confidence = confidenceOf(verdict, odds, rankedGroups.map((at) => honest.groups[at]));
    const named = rankedLabels.map((at) => {
      const { label, species: key, photo } = labels[at];
      return { label, confidence: short(honest.labels[at]), species: key, photo };
    });
    const groups = rankedGroups.map((at) => {
      const group = this.groupNames[at];
      const key = species[group] ? group : null;
      return { group, confidence: short(honest.groups[at]), species: key, photo: this.photoOf(at, rankedLabels) };
    });
    const keys = [...groups, ...named].map((guess) => guess.species).filter(Boolean);
    return {
      verdict,
      close,
      confidence: short(confidence),
      known: short(known(familiarity, calibration.familiarity)),
      labels: named,
      groups,
      species: Object.fromEntries(keys.map((key) => [key, species[key]])),
    };
  }

  // From shares among what the gallery holds to probabilities that count what it lacks (odds.py).
  honest(shares, familiarity) {
    const { calibration } = this.header;
    const ids = this.groupIds;
    const sums = new Array(this.groupNames.length).fill(0);
    shares.forEach((share, at) => (sums[ids[at]] += share));
    const best = sums.indexOf(Math.max(...sums));
    const single = ids.filter((id) => id === best).length === 1;
    const inside = shares.map((share, at) => share / Math.max(sums[ids[at]], TINY));
    const mine = inside.map((share, at) => (ids[at] === best ? share : 0));
    // Of a group with one label there is nothing to be in doubt about.
    const first = single ? 1 : probability(calibration.variety, Math.max(...mine), familiarity);
    const members = rescaled(mine, first);
    const groups = rescaled(sums, probability(calibration.group, Math.max(...sums), familiarity));
    const labels = ids.map((id, at) => groups[id] * (id === best ? members[at] : inside[at]));
    return { groups, labels, sums, single };
  }

  // A photo of a group: of its likeliest label, else of its first.
  photoOf(group, likeliest) {
    const mine = (at) => this.groupIds[at] === group;
    const all = [...likeliest.filter(mine), ...Array.from(this.groupIds.keys()).filter(mine)];
    return all.map((at) => this.header.labels[at].photo).find((photo) => photo !== null) ?? null;
  }
}

// What may be claimed, and which doubt there is, as gallery/verdict.py has it.
const CLOSE = 0.02;
const CLOSE_TO_NOTHING = 0.1;

function decide(odds, bounds) {
  let close = Math.abs(odds.familiarity - bounds.unlike) < CLOSE_TO_NOTHING;
  if (odds.familiarity < bounds.unlike) return { verdict: "unknown", close };
  if (!odds.single) { // of a species with one label here, there is no variety to be in doubt of
    close ||= Math.abs(odds.label - bounds.variety) < CLOSE;
    if (odds.label >= bounds.variety) return { verdict: "variety", close };
  }
  close ||= Math.abs(odds.group - bounds.group) < CLOSE;
  if (odds.group >= bounds.group) return { verdict: odds.single ? "variety" : "group", close };
  close ||= Math.abs(odds.usual - bounds.group) < CLOSE;
  return { verdict: odds.usual >= bounds.group ? "unfamiliar" : "ambiguous", close };
}

function confidenceOf(verdict, odds, groups) {
  if (verdict === "unknown") return 0;
  if (verdict === "variety" && !odds.single) return odds.label;
  return verdict === "ambiguous" ? groups[0] + (groups[1] ?? 0) : odds.group;
}

// Gives the largest share another value, and the others what is left: none of them grows.
function rescaled(shares, first) {
  const was = Math.max(...shares);
  const best = shares.indexOf(was);
  const less = Math.min(first / Math.max(was, TINY), (1 - first) / Math.max(1 - was, TINY));
  return shares.map((share, at) => (at === best ? first : share * less));
}

// The share of right answers that were less familiar.
function known(familiarity, knots) {
  if (!knots.length) return 1;
  if (familiarity < knots[1]) return Math.exp(Math.min(familiarity - knots[1], 0)) / LEVELS;
  const above = knots.findIndex((knot) => knot > familiarity);
  if (above < 0) return 1;
  const below = knots[above - 1];
  return (above - 1 + (familiarity - below) / (knots[above] - below)) / LEVELS;
}

// That the likeliest is right.
function probability(trust, share, familiarity) {
  const clipped = Math.min(Math.max(share, MOST_SURE), 1 - MOST_SURE);
  const logit = Math.log(clipped) - Math.log1p(-clipped);
  const at = trust.share * logit + trust.familiarity * familiarity + trust.offset;
  return 0.5 * (1 + Math.tanh(at / 2));
}

const byCodePoint = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

// The likeliest, by their probabilities, then by their shares.
const ranked = (chances, shares) =>
  Array.from(chances.keys()).sort((a, b) => chances[b] - chances[a] || shares[b] - shares[a] || a - b).slice(0, SHOWN);

const short = (share) => Math.round(share * 1e4) / 1e4;

function softmax(scores) {
  const most = Math.max(...scores);
  const shares = Array.from(scores, (score) => Math.exp(score - most));
  const sum = shares.reduce((all, share) => all + share, 0);
  return shares.map((share) => share / sum);
}

// A matrix, row after row, times a vector.
function dots(matrix, vector) {
  const width = vector.length;
  const out = new Float64Array(matrix.length / width);
  for (let row = 0, at = 0; row < out.length; row += 1) {
    let sum = 0;
    for (let column = 0; column < width; column += 1, at += 1) sum += matrix[at] * vector[column];
    out[row] = sum;
  }
  return out;
}

function mean(rows) {
  const out = new Float64Array(rows[0].length);
  for (const row of rows) for (let at = 0; at < out.length; at += 1) out[at] += row[at] / rows.length;
  return out;
}

function unit(row) {
  const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
  return Float64Array.from(row, (value) => (length > 0 ? value / length : value));
}

const rootUnit = (row) => unit(Float64Array.from(row, (value) => Math.sign(value) * Math.sqrt(Math.abs(value))));

// How rows are prepared before they are projected, by what the projection says.
const PREPARE = { "square root, unit length": rootUnit, "unit length": unit, none: (row) => Float64Array.from(row) };
