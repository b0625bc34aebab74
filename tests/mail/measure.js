// What is wrong with how the mail in this page looks: a list of {what, where, ...}, empty when all is well.
() => {
  const wrong = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) wrong.push({what: "scrolls sideways", by: root.scrollWidth - innerWidth});
  const rgb = text => { const found = text.match(/[\d.]+/g).map(Number); return found.length < 4 ? [...found, 1] : found; };
  const lightness = colour => {
    const [r, g, b] = colour.slice(0, 3).map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim();
    const element = texts.currentNode.parentElement;
    if (!text || text === "\u00a0" || !element.offsetParent && element !== document.body) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const where = text.slice(0, 40);
    const cell = element.closest("td,th");
    const box = cell && cell.getBoundingClientRect();
    for (const line of range.getClientRects()) {
      if (line.right > innerWidth + 0.5 || line.left < -0.5) wrong.push({what: "leaves the screen", where});
      if (box && (line.right > box.right + 1 || line.left < box.left - 1)) wrong.push({what: "leaves its cell", where});
    }
    const [a, b] = [lightness(rgb(getComputedStyle(element).color)), lightness(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    // WCAG 2.2, 1.4.3
    if (contrast < 4.5) wrong.push({what: "hard to read", where, contrast: Math.round(contrast * 100) / 100});
    if (parseFloat(getComputedStyle(element).fontSize) < 12) wrong.push({what: "too small", where});
  }
  return wrong;
}
