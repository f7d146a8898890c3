# The study's tables and figures. A target does runs by experiment=, then a report on them. If a target
# was stopped, run it again: finished parts are kept.
#
# make paper needs local weights and data (xtransplant prepare) and a GPU. It does not include
# shuffled_language for culture tasks, whose questions are not the same in every language.
PAPER := outputs/paper
MODELS := llama2-7b,mistral-7b,qwen2-7b,bloomz-7b1,chinese-alpaca-2-7b
MULTILINGUAL := xnli,xquad,xcopa,mkqa
CULTURE := globalopinionqa,culturalbench_hard
TASKS := $(MULTILINGUAL),$(CULTURE)
CONTROLS := none,random_instance,noise,same_prompt
comma := ,
STUDY = $(BIN)/xtransplant run -m output_root=$(PAPER) model=$(MODELS)
REPORT = $(BIN)/xtransplant report $(PAPER) --out report/paper

.PHONY: paper paper-t0 paper-t1 paper-t2 paper-t3 paper-t4 paper-t5 paper-t6 paper-f1 paper-f2 paper-f3 \
	paper-f4 paper-f5 paper-coarse paper-grids paper-controls paper-blocks paper-selected \
	paper-later paper-answers paper-tries paper-claims paper-languages paper-groups paper-values \
	paper-small paper-small-pocket paper-small-capitals

paper: paper-coarse paper-grids paper-controls paper-blocks paper-selected paper-later ## every table and figure
	$(REPORT)

paper-t0: paper-selected paper-later ## the contrasts that decide
	$(REPORT)

paper-t1: paper-coarse ## coarse settings
	$(REPORT)

paper-t2 paper-f2 paper-f3: paper-grids paper-controls ## bounds with their controls
	$(REPORT)

paper-t3: paper-selected ## selected pairs on unseen instances
	$(REPORT)

paper-tries: paper-grids paper-controls ## excess of the bound by number of tries
	$(REPORT)

paper-claims: paper-coarse paper-grids paper-selected ## the paper's claims, tested
	$(REPORT)

paper-languages paper-groups: paper-coarse paper-grids paper-selected ## languages as a sample, by group
	$(REPORT)

paper-values: paper-selected ## values of scorers, such as F1
	$(REPORT)

paper-t4 paper-t5 paper-answers: paper ## significance, cost, what answers look like

paper-t6: paper-grids paper-controls paper-selected ## cells and controls at the same cell
	$(REPORT)

paper-f1 paper-f4: paper-grids ## heatmaps, gains by language
	$(REPORT)

paper-f5: paper-grids paper-blocks ## modules side by side
	$(REPORT)

paper-coarse: $(INSTALLED)
	$(STUDY) task=$(TASKS) experiment=paper_coarse_attn,paper_coarse_attn_residual,paper_coarse_mlp

paper-grids: $(INSTALLED)
	$(STUDY) task=$(TASKS) experiment=paper_grid_attn,paper_grid_mlp

paper-controls: paper-grids
	$(STUDY) task=$(TASKS) experiment=paper_grid_attn,paper_grid_mlp control=$(CONTROLS)
	$(STUDY) task=$(MULTILINGUAL) experiment=paper_grid_attn,paper_grid_mlp control=shuffled_language

paper-blocks: $(INSTALLED)
	$(STUDY) task=$(TASKS) experiment=paper_grid_block

# For each model and task: select on the sample, then measure the selected cells, and the controls at
# the same cells, on the unseen instances.
paper-selected: paper-grids
	for task in $(subst $(comma), ,$(TASKS)); do for model in $(subst $(comma), ,$(MODELS)); do \
	for module in attn mlp; do \
	  file=$(PAPER)/selected-$$task-$$model-$$module; \
	  for strategy in overall target_first source_last; do \
	    $(BIN)/xtransplant select $(PAPER)/$$task/$$model/$$module --strategy $$strategy \
	      --output $$file-$$strategy.yaml || exit; \
	    $(BIN)/xtransplant run -m experiment=paper_selected output_root=$(PAPER) task=$$task \
	      model=$$model module=$$module split=unseen grid.file=$$file-$$strategy.yaml \
	      control=$(CONTROLS) || exit; \
	  done; \
	done; done; done

# The bound and the vote of T0: the whole grid on instances that selected nothing.
paper-later: $(INSTALLED)
	$(STUDY) task=$(TASKS) experiment=paper_grid_attn,paper_grid_mlp split=unseen limit=100

SMALL := outputs/paper-small
SMALL_RUN = $(BIN)/xtransplant run output_root=$(SMALL)
POCKET = $(SMALL_RUN) -m experiment=paper_small_pocket
CAPITALS = $(SMALL_RUN) -m experiment=paper_small_capitals limit=25 \
	task.name=capitals task.file=scripts/paper/capitals.jsonl task.scorer=contains_any

paper-small: paper-small-pocket paper-small-capitals ## the same from end to end, in minutes
	$(BIN)/xtransplant report $(SMALL) --out report/paper-small

paper-small-pocket: $(INSTALLED)
	$(POCKET) module=mlp control=$(CONTROLS),shuffled_language
	$(POCKET) module=attn,block
	$(POCKET) module=attn,mlp split=test control=none,random_instance
	$(POCKET) module=attn,attn_residual grid=last_to_first
	$(BIN)/xtransplant select $(SMALL)/pocket/pocket/mlp --output $(SMALL)/selected.yaml
	$(POCKET) module=mlp grid=pairs grid.file=$(SMALL)/selected.yaml split=test \
	  control=$(CONTROLS),shuffled_language

paper-small-capitals: $(CARRIED)
	$(CAPITALS) module=mlp control=none,random_instance,noise
	$(CAPITALS) module=attn
	$(CAPITALS) module=attn grid=last_to_first
