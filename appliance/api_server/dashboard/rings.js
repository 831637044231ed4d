// Places for the nodes of a picture: this node in the middle, the others on ellipses around it. Pure.
//
// Neighbours by a direct path are inside, then those that a relay reaches, near their relay, and outside those without a session.
// A few have their names beside them; of many only the dots fit, and rings come closer until all have a place.

// Pixels along a ring, between rings, and to the edge; and how many letters of a name there is room for.
const NAMED = [
  { apart: 118, between: 92, margin: 64, letters: 15 },
  { apart: 88, between: 70, margin: 46, letters: 11 },
];
const DOTS = { apart: 22, between: 26, margin: 16, letters: 0 };
const TIGHTEST = 7;
const ORDER = { direct: 0, relayed: 1, none: 2 };

// `nodes` are { id, path: "direct" | "relayed" | "none", relay: id or "" }, in the order in which they are to stand. Returns
// { width, height, letters, places: Map(id → { x, y, ring }) }; the middle is (width / 2, height / 2).
export function placed(nodes, width) {
  const height = Math.max(280, Math.min(640, width * (width < 500 ? 1.15 : 0.62), nodes.length <= 6 ? 380 : Infinity));
  const sorted = [...nodes].sort((one, other) => ORDER[one.path] - ORDER[other.path]);
  const done = (rings, letters) => ({ width, height, letters, places: spread(rings, width, height) });
  for (const measure of NAMED) {
    const rings = fitting(sorted, width, height, measure);
    if (rings) return done(rings, measure.letters);
  }
  for (let scale = 1; ; scale *= 0.9) {
    const measure = { ...DOTS, apart: DOTS.apart * scale, between: DOTS.between * scale };
    const rings = fitting(sorted, width, height, measure, measure.apart <= TIGHTEST);
    if (rings) return done(rings, 0);
  }
}

// Who stands on which ring, on as few as there is room for; null if there is none. `anyway`: the outermost takes all that are left.
function fitting(sorted, width, height, { apart, between, margin }, anyway = false) {
  const most = { x: width / 2 - margin, y: height / 2 - margin };
  const rings = Math.max(1, Math.floor(most.y / between));
  for (const separate of [true, false]) {
    for (let of = 1; of <= rings; of++) {
      const sizes = Array.from({ length: of }, (_, ring) => ({ x: (most.x * (ring + 1)) / of, y: (most.y * (ring + 1)) / of }));
      const rooms = sizes.map((size, ring) =>
        anyway && !separate && ring === rings - 1 ? Infinity : Math.floor(around(size) / apart),
      );
      const found = filled(sorted, rooms, separate);
      if (found) return sizes.map((size, ring) => ({ ...size, room: rooms[ring], nodes: found[ring] }));
    }
  }
  return null;
}

// `separate`: each kind of path begins a ring of its own.
function filled(sorted, rooms, separate) {
  const rings = rooms.map(() => []);
  let ring = 0;
  sorted.forEach((node, index) => {
    const begins = separate && index > 0 && node.path !== sorted[index - 1].path;
    if (begins || rings[ring]?.length >= rooms[ring]) ring++;
    rings[ring]?.push(node);
  });
  return ring < rings.length ? rings : null;
}

// Round an ellipse (Ramanujan's first approximation).
const around = ({ x, y }) => Math.PI * (3 * (x + y) - Math.sqrt((3 * x + y) * (x + 3 * y)));

function spread(rings, width, height) {
  const places = new Map();
  rings.forEach((ring, index) => {
    const angleOf = (id) => {
      const at = places.get(id);
      return at ? Math.atan2((at.y - height / 2) / ring.y, (at.x - width / 2) / ring.x) : Infinity;
    };
    const behind = ring.nodes.some((each) => places.has(each.relay));
    const angles = evenly(ring, behind && ring.room !== Infinity ? ring.room : ring.nodes.length, index);
    const nodes = behind ? near(ring.nodes, angles, angleOf) : ring.nodes.map((each, at) => [each, angles[at]]);
    for (const [node, angle] of nodes) {
      places.set(node.id, { x: width / 2 + ring.x * Math.cos(angle), y: height / 2 + ring.y * Math.sin(angle), ring: index });
    }
  });
  return places;
}

// So many angles that are equally far from each other along the ellipse, from its top on; each second ring is turned by half a step.
function evenly({ x, y }, number, index) {
  const parts = 720;
  const lengths = [0];
  for (let part = 1; part <= parts; part++) {
    const [one, other] = [angle(part - 1, parts), angle(part, parts)];
    lengths.push(lengths.at(-1) + Math.hypot(x * (Math.cos(other) - Math.cos(one)), y * (Math.sin(other) - Math.sin(one))));
  }
  const found = [];
  let part = 0;
  for (let each = 0; each < number; each++) {
    const wanted = ((each + (index % 2) / 2) / number) * lengths.at(-1);
    while (lengths[part + 1] < wanted) part++;
    found.push(angle(part + (wanted - lengths[part]) / (lengths[part + 1] - lengths[part]), parts));
  }
  return found;
}

const angle = (part, parts) => (part / parts) * 2 * Math.PI - Math.PI / 2;

// Each node in turn takes the free angle that is nearest to its relay's; who has none takes what is left.
function near(nodes, angles, angleOf) {
  const free = new Set(angles);
  const take = (wanted) => {
    let best = null;
    for (const each of free) if (best === null || apart(each, wanted) < apart(best, wanted)) best = each;
    free.delete(best);
    return best;
  };
  const sorted = [...nodes].sort(
    (one, other) => Number(angleOf(one.relay) === Infinity) - Number(angleOf(other.relay) === Infinity),
  );
  return sorted.map((node) => [node, take(angleOf(node.relay))]);
}

function apart(one, other) {
  if (!Number.isFinite(other)) return 0;
  const between = Math.abs(one - other) % (2 * Math.PI);
  return Math.min(between, 2 * Math.PI - between);
}
