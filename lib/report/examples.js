// Filters examples.html. Without this script, every example is listed and the filters stay hidden.
"use strict";
const form = document.querySelector("form.filters");
const examples = [...document.querySelectorAll("section.example")];
const texts = examples.map((one) => one.textContent.toLowerCase());
const selects = [...form.querySelectorAll("select")];
const words = form.querySelector("[data-words]");
const status = form.querySelector("[role=status]");

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  examples.forEach((one, index) => {
    const fits = selects.every((select) => !select.value ||
        one.dataset[select.dataset.filter] === select.value) &&
        wanted.every((word) => texts[index].includes(word));
    one.hidden = !fits;
    count += fits;
  });
  status.textContent = `${count} of ${examples.length} authors`;
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", show);
show();
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
