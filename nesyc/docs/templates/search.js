"use strict";
(() => {
  const box = document.querySelector("#search");
  const input = box.querySelector("input");
  const entries = [...document.querySelectorAll("main article")].map(
    (node) => ({ node, text: node.textContent.toLowerCase() }));
  const links = [...document.querySelectorAll("nav li li")];
  const nothing = document.querySelector("#nothing");
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (text) => words.every((word) => text.includes(word));
    let shown = 0;
    for (const entry of entries) {
      entry.node.hidden = !fits(entry.text);
      if (!entry.node.hidden) shown += 1;
    }
    for (const link of links) {
      const target = document.getElementById(link.firstElementChild.hash.slice(1));
      link.hidden = target !== null && target.hidden;
    }
    for (const section of document.querySelectorAll("main section")) {
      section.hidden = words.length > 0 && section.querySelector("article:not([hidden])") === null;
    }
    nothing.hidden = shown > 0;
  };
  box.hidden = false;
  input.addEventListener("input", search);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input) { event.preventDefault(); input.focus(); }
    if (event.key === "Escape") { input.value = ""; search(); }
  });
})();
