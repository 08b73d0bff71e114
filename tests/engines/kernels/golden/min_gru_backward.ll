; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @"run"(ptr %".1", i64 %".2", i64 %".3")
{
.5:
  %".6" = getelementptr i64, ptr %".1", i64 0
  %".7" = load i64, ptr %".6"
  %".8" = getelementptr i64, ptr %".1", i64 1
  %".9" = load i64, ptr %".8"
  %".10" = getelementptr i64, ptr %".1", i64 2
  %".11" = load i64, ptr %".10"
  %".12" = getelementptr i64, ptr %".1", i64 3
  %".13" = load i64, ptr %".12"
  %".14" = getelementptr i64, ptr %".1", i64 4
  %".15" = load i64, ptr %".14"
  %".16" = getelementptr i64, ptr %".1", i64 5
  %".17" = load i64, ptr %".16"
  %".18" = getelementptr i64, ptr %".1", i64 6
  %".19" = load i64, ptr %".18"
  %".20" = getelementptr i64, ptr %".1", i64 7
  %".21" = load i64, ptr %".20"
  %".22" = getelementptr i64, ptr %".1", i64 8
  %".23" = load i64, ptr %".22"
  %".24" = inttoptr i64 %".23" to ptr
  %".25" = getelementptr i64, ptr %".1", i64 9
  %".26" = load i64, ptr %".25"
  %".27" = inttoptr i64 %".26" to ptr
  %".28" = getelementptr i64, ptr %".1", i64 10
  %".29" = load i64, ptr %".28"
  %".30" = inttoptr i64 %".29" to ptr
  %".31" = getelementptr i64, ptr %".1", i64 11
  %".32" = load i64, ptr %".31"
  %".33" = inttoptr i64 %".32" to ptr
  %".34" = getelementptr i64, ptr %".1", i64 12
  %".35" = load i64, ptr %".34"
  %".36" = inttoptr i64 %".35" to ptr
  %".37" = getelementptr i64, ptr %".1", i64 13
  %".38" = load i64, ptr %".37"
  %".39" = inttoptr i64 %".38" to ptr
  %".40" = getelementptr i64, ptr %".1", i64 14
  %".41" = load i64, ptr %".40"
  %".42" = inttoptr i64 %".41" to ptr
  %".43" = getelementptr i64, ptr %".1", i64 15
  %".44" = load i64, ptr %".43"
  %".45" = inttoptr i64 %".44" to ptr
  %".46" = inttoptr i64 %".9" to ptr
  %".47" = inttoptr i64 %".11" to ptr
  br label %"head"
head:
  %".49" = phi  i64 [%".2", %".5"], [%".244", %"end.1"]
  %".50" = icmp slt i64 %".49", %".7"
  br i1 %".50", label %"body", label %"end"
body:
  %".52" = mul i64 %".49", 4
  %".53" = getelementptr i64, ptr %".46", i64 %".52"
  %".54" = load i64, ptr %".53"
  %".55" = mul i64 %".49", 16
  %".56" = add i64 %".54", %".55"
  %".57" = add i64 %".52", 1
  %".58" = getelementptr i64, ptr %".46", i64 %".57"
  %".59" = load i64, ptr %".58"
  %".60" = add i64 %".52", 2
  %".61" = getelementptr i64, ptr %".46", i64 %".60"
  %".62" = load i64, ptr %".61"
  %".63" = inttoptr i64 %".62" to ptr
  br label %"head.1"
end:
  ret void
head.1:
  %".65" = phi  i64 [0, %"body"], [%".242", %"end.2"]
  %".66" = icmp slt i64 %".65", %".59"
  br i1 %".66", label %"body.1", label %"end.1"
body.1:
  %".68" = sub i64 %".59", 1
  %".69" = sub i64 %".68", %".65"
  %".70" = getelementptr i64, ptr %".63", i64 %".69"
  %".71" = load i64, ptr %".70"
  %".72" = mul i64 %".69", %".13"
  %".73" = and i64 %".69", 1
  %".74" = xor i64 %".73", 1
  %".75" = mul i64 %".74", %".19"
  %".76" = mul i64 %".73", %".19"
  br label %"head.2"
end.1:
  %".244" = add i64 %".49", %".3"
  br label %"head"
head.2:
  %".78" = phi  i64 [0, %"body.1"], [%".240", %"end.3"]
  %".79" = icmp slt i64 %".78", 1
  br i1 %".79", label %"body.2", label %"end.2"
body.2:
  %".81" = mul i64 %".78", 2
  %".82" = sub i64 1, %".81"
  %".83" = icmp slt i64 %".82", 2
  %".84" = select  i1 %".83", i64 %".82", i64 2
  br label %"head.3"
end.2:
  %".242" = add i64 %".65", 1
  br label %"head.1"
head.3:
  %".86" = phi  i64 [0, %"body.2"], [%".238", %"end.4.endif"]
  %".87" = icmp slt i64 %".86", %".71"
  br i1 %".87", label %"body.3", label %"end.3"
body.3:
  %".89" = add i64 %".54", %".86"
  %".90" = getelementptr i64, ptr %".47", i64 %".89"
  %".91" = load i64, ptr %".90"
  %".92" = add i64 %".91", %".72"
  %".93" = mul i64 %".92", 5
  %".94" = getelementptr float, ptr %".27", i64 %".93"
  %".95" = add i64 %".54", %".86"
  %".96" = add i64 %".95", %".75"
  %".97" = mul i64 %".96", 5
  %".98" = getelementptr float, ptr %".24", i64 %".97"
  %".99" = add i64 %".54", %".86"
  %".100" = getelementptr i64, ptr %".47", i64 %".99"
  %".101" = load i64, ptr %".100"
  %".102" = add i64 %".101", %".72"
  %".103" = mul i64 %".102", 5
  %".104" = getelementptr float, ptr %".36", i64 %".103"
  %".105" = add i64 %".54", %".86"
  %".106" = add i64 %".105", %".76"
  %".107" = mul i64 %".106", 5
  %".108" = getelementptr float, ptr %".24", i64 %".107"
  %".109" = add i64 %".54", %".86"
  %".110" = getelementptr i64, ptr %".47", i64 %".109"
  %".111" = load i64, ptr %".110"
  %".112" = add i64 %".111", %".72"
  %".113" = mul i64 %".112", 32
  %".114" = getelementptr float, ptr %".42", i64 %".113"
  %".115" = add i64 %".54", %".86"
  %".116" = getelementptr i64, ptr %".47", i64 %".115"
  %".117" = load i64, ptr %".116"
  %".118" = add i64 %".117", %".72"
  %".119" = add i64 %".118", %".15"
  %".120" = mul i64 %".119", 5
  %".121" = getelementptr float, ptr %".45", i64 %".120"
  %".122" = add i64 %".54", %".86"
  %".123" = getelementptr i64, ptr %".47", i64 %".122"
  %".124" = load i64, ptr %".123"
  %".125" = add i64 %".124", %".72"
  %".126" = mul i64 %".125", 10
  %".127" = getelementptr float, ptr %".30", i64 %".126"
  %".128" = mul i64 %".49", 10
  %".129" = getelementptr float, ptr %".33", i64 %".128"
  br label %"head.4"
end.3:
  %".240" = add i64 %".78", 1
  br label %"head.2"
head.4:
  %".131" = phi  i64 [0, %"body.3"], [%".184", %"body.4"]
  %".132" = icmp slt i64 %".131", %".84"
  br i1 %".132", label %"body.4", label %"end.4"
body.4:
  %".134" = add i64 %".81", %".131"
  %".135" = mul i64 %".134", 4
  %".136" = getelementptr float, ptr %".94", i64 0
  %".137" = getelementptr float, ptr %".136", i64 %".135"
  %".138" = load <4 x float>, ptr %".137", align 4
  %".139" = getelementptr float, ptr %".98", i64 0
  %".140" = getelementptr float, ptr %".139", i64 %".135"
  %".141" = load <4 x float>, ptr %".140", align 4
  %".142" = fadd <4 x float> %".138", %".141"
  %".143" = getelementptr float, ptr %".104", i64 0
  %".144" = getelementptr float, ptr %".143", i64 %".135"
  %".145" = load <4 x float>, ptr %".144", align 4
  %".146" = fsub <4 x float> <float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000>, %".145"
  %".147" = fmul <4 x float> %".142", %".146"
  %".148" = getelementptr float, ptr %".114", i64 5
  %".149" = getelementptr float, ptr %".148", i64 %".135"
  %".150" = load <4 x float>, ptr %".149", align 4
  %".151" = getelementptr float, ptr %".39", i64 5
  %".152" = getelementptr float, ptr %".151", i64 %".135"
  %".153" = load <4 x float>, ptr %".152", align 4
  %".154" = fadd <4 x float> %".150", %".153"
  %".155" = fmul <4 x float> %".142", %".154"
  %".156" = getelementptr float, ptr %".121", i64 0
  %".157" = getelementptr float, ptr %".156", i64 %".135"
  %".158" = load <4 x float>, ptr %".157", align 4
  %".159" = fmul <4 x float> %".142", %".158"
  %".160" = fneg <4 x float> %".159"
  %".161" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".142", <4 x float> %".154", <4 x float> %".160")
  %".162" = fmul <4 x float> %".145", %".146"
  %".163" = fmul <4 x float> %".161", %".162"
  %".164" = fmul <4 x float> %".142", %".145"
  %".165" = getelementptr float, ptr %".108", i64 0
  %".166" = getelementptr float, ptr %".165", i64 %".135"
  store <4 x float> %".147", ptr %".166", align 4
  %".168" = getelementptr float, ptr %".127", i64 0
  %".169" = getelementptr float, ptr %".168", i64 %".135"
  store <4 x float> %".163", ptr %".169", align 4
  %".171" = getelementptr float, ptr %".127", i64 5
  %".172" = getelementptr float, ptr %".171", i64 %".135"
  store <4 x float> %".164", ptr %".172", align 4
  %".174" = getelementptr float, ptr %".129", i64 0
  %".175" = getelementptr float, ptr %".174", i64 %".135"
  %".176" = load <4 x float>, ptr %".175", align 4
  %".177" = fadd <4 x float> %".176", %".163"
  store <4 x float> %".177", ptr %".175", align 4
  %".179" = getelementptr float, ptr %".129", i64 5
  %".180" = getelementptr float, ptr %".179", i64 %".135"
  %".181" = load <4 x float>, ptr %".180", align 4
  %".182" = fadd <4 x float> %".181", %".164"
  store <4 x float> %".182", ptr %".180", align 4
  %".184" = add i64 %".131", 1
  br label %"head.4"
end.4:
  %".186" = icmp eq i64 %".78", 0
  br i1 %".186", label %"end.4.if", label %"end.4.endif"
end.4.if:
  %".188" = mul i64 1, 4
  %".189" = getelementptr float, ptr %".94", i64 0
  %".190" = getelementptr float, ptr %".189", i64 %".188"
  %".191" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".190", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".192" = getelementptr float, ptr %".98", i64 0
  %".193" = getelementptr float, ptr %".192", i64 %".188"
  %".194" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".193", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".195" = fadd <4 x float> %".191", %".194"
  %".196" = getelementptr float, ptr %".104", i64 0
  %".197" = getelementptr float, ptr %".196", i64 %".188"
  %".198" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".197", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".199" = fsub <4 x float> <float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000>, %".198"
  %".200" = fmul <4 x float> %".195", %".199"
  %".201" = getelementptr float, ptr %".114", i64 5
  %".202" = getelementptr float, ptr %".201", i64 %".188"
  %".203" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".202", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".204" = getelementptr float, ptr %".39", i64 5
  %".205" = getelementptr float, ptr %".204", i64 %".188"
  %".206" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".205", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".207" = fadd <4 x float> %".203", %".206"
  %".208" = fmul <4 x float> %".195", %".207"
  %".209" = getelementptr float, ptr %".121", i64 0
  %".210" = getelementptr float, ptr %".209", i64 %".188"
  %".211" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".210", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".212" = fmul <4 x float> %".195", %".211"
  %".213" = fneg <4 x float> %".212"
  %".214" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".195", <4 x float> %".207", <4 x float> %".213")
  %".215" = fmul <4 x float> %".198", %".199"
  %".216" = fmul <4 x float> %".214", %".215"
  %".217" = fmul <4 x float> %".195", %".198"
  %".218" = getelementptr float, ptr %".108", i64 0
  %".219" = getelementptr float, ptr %".218", i64 %".188"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".200", ptr %".219", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".221" = getelementptr float, ptr %".127", i64 0
  %".222" = getelementptr float, ptr %".221", i64 %".188"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".216", ptr %".222", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".224" = getelementptr float, ptr %".127", i64 5
  %".225" = getelementptr float, ptr %".224", i64 %".188"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".217", ptr %".225", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".227" = getelementptr float, ptr %".129", i64 0
  %".228" = getelementptr float, ptr %".227", i64 %".188"
  %".229" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".228", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".230" = fadd <4 x float> %".229", %".216"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".230", ptr %".228", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".232" = getelementptr float, ptr %".129", i64 5
  %".233" = getelementptr float, ptr %".232", i64 %".188"
  %".234" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".233", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".235" = fadd <4 x float> %".234", %".217"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".235", ptr %".233", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  br label %"end.4.endif"
end.4.endif:
  %".238" = add i64 %".86", 1
  br label %"head.3"
}

declare <4 x float> @"llvm.fma.v4f32"(<4 x float> %".1", <4 x float> %".2", <4 x float> %".3")

declare <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".1", i32 %".2", <4 x i1> %".3", <4 x float> %".4")

declare void @"llvm.masked.store.v4f32.p0"(<4 x float> %".1", ptr %".2", i32 %".3", <4 x i1> %".4")
